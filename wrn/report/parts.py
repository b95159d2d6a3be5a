"""Make the parts of a report, each of which may fail without the others."""

import logging
from collections.abc import Callable
from typing import TypeVar

from wrn.report.content import Content
from wrn_base.errors import is_full_or_closed, one_line

_logger = logging.getLogger('wrn')
_Part = TypeVar('_Part')


def make_part(content: Content, name: str, make: Callable[[], _Part]) -> _Part | None:
    """Make a part of a report, or note in :attr:`Content.left_out` why it failed.

    A test may take hours, and its figures are worth more than a drawing of them. So an error of any
    kind is logged as a warning, except for a full disk and an output that nobody reads.

    Args:
        content: What the report has, which is changed.
        name: The name of the part.
        make: Makes it.

    Returns:
        The part. None if it failed.
    """
    try:
        return make()
    except Exception as error:
        if is_full_or_closed(error):
            raise
        reason = one_line(error)
        content.left_out.append(f'{name}: {reason}')
        _logger.warning('report of %s: without %s: %s', content.title, name, reason)
        _logger.debug('the traceback of this failure:', exc_info=True)
        return None
