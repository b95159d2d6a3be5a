"""Turn what the Hugging Face hub's client raises into one line with what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from wrn.hub.hub_token import LOG_IN, hide_token
from wrn_base.credentials import mask_credentials
from wrn_base.errors import WrnError, one_line

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

    Args:
        repository: The name of the repository.
        token: The token, which may be part of a request that an error quotes.

    Raises:
        WrnError: If the block raises any error but this one.
    """
    try:
        yield
    except WrnError:
        raise
    except Exception as error:  # of the client, its HTTP library or the file system
        message = hide_token(mask_credentials(_explain(_find_cause(error))), token)
        raise WrnError(f'{repository}: not pushed: {message}') from None


def _find_cause(error: BaseException) -> BaseException:
    """Return the error of a request. Uploads wrap it in one that does not state it."""
    cause = error.__cause__
    return cause if isinstance(error, RuntimeError) and cause is not None else error


def _explain(error: BaseException) -> str:
    if not isinstance(error, HfHubHTTPError):
        if isinstance(error, ValueError):
            sent = f'{constants.ENDPOINT} sent an unexpected answer ({one_line(error)})'
            return f'{sent}; check HF_ENDPOINT, and {_AGAIN}'
        if isinstance(error, OSError) and error.filename:
            return f'{error.filename} cannot be read ({one_line(error)}); {_AGAIN}'
        asked = f'the request to {constants.ENDPOINT} failed ({one_line(error)})'
        return f'{asked}; check the network, and {_AGAIN}'
    status = error.response.status_code
    said = f' ({" ".join(error.server_message.split())[:300]})' if error.server_message else ''
    if cause := _CAUSES.get(status):
        what, _, cure = cause.partition('; ')
        return f'{what}{said}; {cure}'
    return f'the hub answered {status}{said}; try again later'
