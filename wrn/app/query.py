"""Read the parameters of a request from its URL."""

from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.datastructures import QueryParams

from wrn.app.refusal import Refusal
from wrn_base.errors import did_you_mean

_BOOLEANS = dict.fromkeys(('true', '1'), True) | dict.fromkeys(('false', '0'), False)
_LONGEST = 80  # characters of a wrong name or value that a message shows
_DIGITS = 9  # of a number of classes
_END = 'see docs/app.md'


class Parameters(NamedTuple):
    """What a client asks for.

    Attributes:
        topk: The number of classes to list. Defaults to 5.
        heatmap: Whether to draw heat maps. Defaults to False.
    """

    topk: int = 5
    heatmap: bool = False


def read_parameters(query: QueryParams) -> Parameters:
    """Read the parameters of ``/api/predict``.

    Args:
        query: The parameters of the URL.

    Raises:
        Refusal: If one is unknown, given twice or has a wrong value (422).
    """
    check_names(query, Parameters._fields)
    read: dict[str, Any] = {name: _READERS[name](value) for name, value in query.items()}
    return Parameters(**read)


def check_names(query: QueryParams, known: tuple[str, ...] = ()) -> None:
    """Check the names of parameters.

    Args:
        query: The parameters of the URL.
        known: The valid names. Defaults to none.

    Raises:
        Refusal: If one is unknown or given twice (422).
    """
    names = [name for name, _ in query.multi_items()]
    for name in names:
        shown = repr(name[:_LONGEST])
        if name not in known:
            near = did_you_mean(name[:_LONGEST], known, f'; {_END}')
            raise Refusal(422, f'{shown}: unknown parameter{near}')
        if names.count(name) > 1:
            raise Refusal(422, f'{shown}: given more than once; give it once')


def _read_count(value: str) -> int:
    is_number = value.isascii() and value.isdigit() and len(value) <= _DIGITS
    if not is_number or int(value) < 1:
        raise Refusal(
            422, f'topk: {value[:_LONGEST]!r} is not an integer from 1 to 999999999; {_END}'
        )
    return int(value)


def _read_boolean(value: str) -> bool:
    if value.lower() not in _BOOLEANS:
        raise Refusal(422, f'heatmap: {value[:_LONGEST]!r} is neither true nor false; {_END}')
    return _BOOLEANS[value.lower()]


_READERS: dict[str, Callable[[str], Any]] = {'topk': _read_count, 'heatmap': _read_boolean}
