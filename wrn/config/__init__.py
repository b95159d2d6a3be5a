"""The model index, and config files: found, read and checked.

In: a model name, the path of a config, or the config text of a checkpoint. Out: entries of the
index and mmengine ``Config`` objects. Open ``model_index`` first, then ``config_file``.
"""
