"""Check the events that the page sends, about which Gradio would print tracebacks."""

from collections.abc import Mapping
from typing import Any

from wrn.app.refusal import Refusal
from wrn_base.errors import count


def check_event(body: object, events: Mapping[int, int]) -> None:
    """Check that the page has an event, and the types of its inputs.

    Args:
        body: What a client sends to ``queue/join``.
        events: The number of inputs of each event of the page.

    Raises:
        Refusal: If there is no such event, or its inputs are wrong (422).
    """
    if not isinstance(body, dict):
        raise Refusal(422, 'the event: not an object; see docs/app.md')
    event, data = body.get('fn_index'), body.get('data')
    if type(event) is not int or event not in events:
        raise Refusal(
            422, f'fn_index {str(event)[:50]!r}: not an event of this page; load it again'
        )
    if not isinstance(data, list) or len(data) != events[event]:
        inputs = count(events[event], 'input')
        raise Refusal(422, f'data: this event has {inputs}; load the page again')
    if not all(map(_is_several if len(data) == 1 else _is_one, data, range(len(data)))):
        raise Refusal(422, 'data: an input of a wrong type or size; load the page again')


def _is_several(value: Any, _: int) -> bool:
    """Return whether a value is a list of files, or none."""
    return value is None or (isinstance(value, list) and all(map(_is_file, value)))


def _is_one(value: Any, place: int) -> bool:
    """Return whether a value is that of a file or none, a checkbox, or a slider from 0 to 1."""
    if place == 0:
        return value is None or _is_file(value)
    if place == 1:
        return type(value) is bool
    return type(value) in (int, float) and 0 <= value <= 1


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get('path'), str)
