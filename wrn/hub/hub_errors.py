"""Bound what the Hugging Face hub's client waits for, and turn its errors into one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

from wrn.download.hugging_face import LOG_IN
from wrn.hub.hub_token import shorten
from wrn_base.credentials import mask_credentials
from wrn_base.errors import WrnError, one_line

_STALLED = 60.0  # seconds without a byte
# What values of another shape than those of the hub raise in its client.
_OTHER_SHAPE = (ValueError, LookupError, TypeError, AttributeError)
_AGAIN = 'run the same command again'
_CAUSES = {
    400: f'the hub refuses the upload; {_AGAIN}',
    401: f'the hub refuses the token; {LOG_IN}',
    403: 'your token may not write there; use a repository of your own, or a token with the '
    'permission to write',
    404: 'the hub has no such repository or owner; check the name',
    409: f'the repository changed meanwhile; {_AGAIN}',
    412: f'the repository changed meanwhile; {_AGAIN}',
    429: 'the hub asks to wait; try again in a few minutes',
}


@contextmanager
def hub_errors(repository: str, token: str) -> Iterator[None]:
    """Raise the errors of the hub's client as errors of one line, without the token.

    Its requests wait for ever by default. In this block a server that is silent is an error, too.

    Args:
        repository: The name of the repository.
        token: The token, which may be part of a request that an error quotes.

    Raises:
        WrnError: If the block raises any error but this one.
    """
    session: Any = get_session()
    if not hasattr(session, 'timeout'):  # of an older client
        raise WrnError(
            f'{repository}: not pushed: huggingface_hub before 1.0 would wait for ever for a hub '
            'that is silent; pip install --upgrade huggingface_hub'
        )
    before = session.timeout
    session.timeout = _STALLED
    try:
        yield
    except WrnError:
        raise
    except Exception as error:  # of the client, its HTTP library or the file system
        message = mask_credentials(_explain(_find_cause(error), token))
        raise WrnError(f'{repository}: not pushed: {message}') from None
    finally:
        session.timeout = before


def _find_cause(error: BaseException) -> BaseException:
    """Return the error of a request. Uploads wrap it in one that does not state it."""
    cause = error.__cause__
    return cause if isinstance(error, RuntimeError) and cause is not None else error


def _explain(error: BaseException, token: str) -> str:
    if not isinstance(error, HfHubHTTPError):
        reason = shorten(str(error), token) or type(error).__name__
        if isinstance(error, _OTHER_SHAPE):
            sent = f'{constants.ENDPOINT} sent an unexpected answer ({reason})'
            return f'{sent}; check HF_ENDPOINT, and {_AGAIN}'
        if isinstance(error, OSError) and error.filename:
            return f'{error.filename} cannot be read ({one_line(error)}); {_AGAIN}'
        asked = f'the request to {constants.ENDPOINT} failed ({reason})'
        return f'{asked}; check the network, and {_AGAIN}'
    status = error.response.status_code
    said = f' ({shorten(error.server_message, token)})' if error.server_message else ''
    if cause := _CAUSES.get(status):
        what, _, cure = cause.partition('; ')
        return f'{what}{said}; {cure}'
    return f'the hub answered {status}{said}; try again later'
