"""Files of results: predictions and features.

In: a record for each image. Out: files that appear only when they are complete. Open ``record``
first. ``writers`` has the formats of predictions, ``feature_files`` those of arrays,
``drawing_files`` names and writes drawings, and ``partial_file`` keeps the records of an unfinished
run, so that the run can be resumed, in the lines of ``partial_lines``.
"""
