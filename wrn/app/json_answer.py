"""The answers of the HTTP interface, as JSON."""

import json
from typing import Any

from starlette.responses import JSONResponse

from wrn.app.refusal import Refusal


class JSONAnswer(JSONResponse):
    """A response of JSON with all but ASCII escaped.

    Names of files and classes may have bytes that are not UTF-8, which Python keeps as surrogates.
    UTF-8 has no code for these, and JSON has.
    """

    def render(self, content: Any) -> bytes:
        """Return the content as JSON."""
        return json.dumps(content, allow_nan=False, separators=(',', ':')).encode()


def refuse(refusal: Refusal) -> JSONAnswer:
    """Return the response to a request that is refused.

    Args:
        refusal: The reason.
    """
    return JSONAnswer(dict(error=str(refusal)), refusal.status, refusal.headers)
