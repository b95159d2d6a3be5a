"""Models by name, file or config.

In: a model name, a config, or the path or URL of a file. Out: its meaning (``resolve``) and the
built model (``get_model``). Open ``resolve`` first, then ``factory``.
"""
