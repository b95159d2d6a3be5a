"""Text of others in Markdown: names of classes, files and datasets."""

import re

from wrn_base.names import visible


def code(text: str) -> str:
    """Return a text as inline code, in which no Markdown, HTML or link has a meaning.

    Args:
        text: Any text. It becomes one line, and credentials in URLs are masked.
    """
    text = visible(text)
    fence = '`' * (1 + max(map(len, re.findall('`+', text)), default=0))
    space = ' ' if text.startswith('`') or text.endswith('`') else ''
    return f'{fence}{space}{text}{space}{fence}'
