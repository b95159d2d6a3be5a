"""Helpers of every room: errors, atomic files, optional packages, upstream work-arounds.

In: paths, bytes and names. Out: files written completely or not at all, and exceptions that the
command line prints in one line. Open ``errors`` first; ``compat/`` holds the work-arounds.
"""
