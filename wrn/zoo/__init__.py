"""Models by name, file or config."""
