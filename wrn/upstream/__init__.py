"""Work-arounds for upstream defects: one a file, saying which and when it can go."""
