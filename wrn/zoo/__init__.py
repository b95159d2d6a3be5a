"""Models by name, file or config.

In: a model name, a config, or the path or URL of a file. Out: its meaning (``resolve``), the built
model (``get_model``), and what is known of it (``model_card``). Open ``resolve`` first, then
``factory``.
"""
