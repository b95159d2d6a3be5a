"""Networks in other runtimes: engines, exported files, and the classifier that runs in one."""
