"""Read the code in a document."""

import re

FENCE = re.compile(r'^```(\w*)\n(.*?)^```', re.DOTALL | re.MULTILINE)


def blocks(text, language):
    return [code for name, code in FENCE.findall(text) if name == language]


def python_blocks(document):
    """Return the Python examples of a document that are complete, in their order."""
    return blocks(document.read_text(), 'python')
