"""Find the user's token for the Hugging Face hub, and keep it out of all messages."""

import logging
import re
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants

from wrn.download.hugging_face import HOST, LOG_IN
from wrn.download.trust import may_send_token
from wrn_base.errors import WrnError
from wrn_base.offline import OFFLINE, is_offline

_LONGEST = 300  # characters
_TOKEN = re.compile(r'[\x21-\x7e]+')  # others are no HTTP header, and an error would print them
_logger = logging.getLogger('wrn')


def find_token(option: str) -> str:
    """Return the token of the user, after a check of where it would be sent.

    Args:
        option: What needs the token, for messages.

    Raises:
        WrnError: If there is none, the environment forbids the network, or ``HF_ENDPOINT`` is a
            mirror to which the token would go without encryption.
    """
    if is_offline():
        raise WrnError(f'{option}: {" or ".join(OFFLINE)} disables the network; unset it')
    endpoint = urlsplit(constants.ENDPOINT)
    if not endpoint.hostname:
        raise WrnError(
            f'{option}: HF_ENDPOINT {constants.ENDPOINT!r} is no URL; set it to https://HOST, or '
            'unset it'
        )
    if not may_send_token(constants.ENDPOINT):
        raise WrnError(
            f'{option}: HF_ENDPOINT is {endpoint.hostname} without https://, which would show your '
            'token to the network; use https://, or allow it with WRN_INSECURE=1'
        )
    if endpoint.hostname != HOST:
        _logger.warning('%s: goes to this mirror, set by HF_ENDPOINT', endpoint.hostname)
    try:
        token = huggingface_hub.get_token()
    except Exception as error:  # of any of its sources; the message may quote what it has read
        kind = type(error).__name__
        raise WrnError(f'{option}: the token cannot be read ({kind}); {LOG_IN}') from None
    if not token:
        raise WrnError(f'{option}: no token of the Hugging Face hub was found; {LOG_IN}')
    if not _TOKEN.fullmatch(token):
        raise WrnError(
            f'{option}: the token has characters that no token has, such as a space; {LOG_IN}'
        )
    return token


def shorten(text: str, token: str) -> str:
    """Return the start of a message in one line, with ``***`` in the place of a token.

    Args:
        text: The message, of the hub or of a library. It is cut last: half a token is not found.
        token: The token.
    """
    return ' '.join(text.replace(token, '***').split())[:_LONGEST]
