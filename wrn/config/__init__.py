"""The model index, and config files: found, read and checked."""
