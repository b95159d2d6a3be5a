"""The report of a test: a page that shows what a network gets wrong, and where it looks.

In: the metrics and the results of each image of a test, its dataset and its network. Out: the files
of a report folder. Open ``content`` first, which says what a report has. ``page`` renders it.
"""
