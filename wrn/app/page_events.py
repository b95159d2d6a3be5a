"""Read the events that the page sends, about which Gradio would print tracebacks."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from wrn.app.image_uploads import LONGEST_NAME
from wrn.app.refusal import Refusal
from wrn.app.upload_folder import UploadFolder
from wrn_base.errors import count
from wrn_base.terminal import printable


def read_event(body: object, events: Mapping[int, int], uploads: UploadFolder) -> dict[str, Any]:
    """Check that the page has an event, and the types of its inputs.

    Args:
        body: What a client sends to ``queue/join``.
        events: The number of inputs of each event of the page.
        uploads: The folder of uploads.

    Returns:
        The event, with nothing of its files but the path and the name. The path of one that was not
        uploaded is that of no file, so that the page can say that the image is gone.

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
    # The page's functions take no details of an event, which has its files again.
    return body | dict(data=_clean(data, uploads), event_data=None)


def _clean(value: Any, uploads: UploadFolder) -> Any:
    """Return inputs without the other values of files, whose types Gradio may not take."""
    if isinstance(value, list):
        return [_clean(item, uploads) for item in value]
    if not isinstance(value, dict):
        return value
    # Gradio removes characters from the name in the path, so that two files may have the same.
    name = printable(PurePath(value.get('orig_name') or value['path']).name)
    return dict(
        path=uploads.find(value['path']),
        orig_name=name[:LONGEST_NAME] or 'image',
        meta={'_type': 'gradio.FileData'},
    )


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
    return (
        isinstance(value, dict)
        and isinstance(value.get('path'), str)
        and isinstance(value.get('orig_name'), str | None)
    )
