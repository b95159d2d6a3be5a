"""What all rooms use: errors, files, packages, and work-arounds of upstream defects."""
