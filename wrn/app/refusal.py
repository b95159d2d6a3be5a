"""The answer to a request that is not served."""

from collections.abc import Mapping

from wrn_base.terminal import printable


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An HTTP status and a sentence.

    Args:
        status: The HTTP status.
        sentence: What is wrong, and what to do. Control characters in it are escaped.
        headers: Further headers of the answer. Defaults to none.
    """

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(printable(sentence))
        self.status = status
        self.headers = dict(headers or {})


def too_busy(sentence: str) -> Refusal:
    """Return the refusal of a request that may be sent again in a second."""
    return Refusal(429, f'{sentence}; send the request again in a second', {'Retry-After': '1'})
