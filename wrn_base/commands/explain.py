"""The options of ``wrn explain``."""

METHODS = ('gradcam', 'hirescam', 'eigencam')
