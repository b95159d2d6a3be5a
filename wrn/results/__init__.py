"""What commands write about images: records in, files out.

``predict``, ``test`` and ``features`` describe each image by a record (open ``record`` first).
``writers`` has the formats of predictions and ``feature_files`` those of arrays; each file appears
only when it is complete. ``partial_file`` keeps the records of a run until then, so that an
interrupted run can be resumed.
"""
