"""Hooks of mmengine's runner, one concern a module."""
