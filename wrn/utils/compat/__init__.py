"""Patches of upstream modules; each file says which defects it answers, and when it can go."""
