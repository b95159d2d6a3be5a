"""Mask credentials in URLs, before a message, log or file repeats them."""

import logging
import re

_URL = re.compile(r'(?<!\bhf)(?<!\bwrn)://((?:(?!://)\S)+)')  # those two have no account
_ACCOUNT = re.compile(r'^[^/?#]*@')
_PARAMETER = re.compile(r'([?&;#])([^=&;#]*)=([^&;#]*)')
_PUNCTUATION = ')]:,.\'"'  # of the sentence, behind the URL
_SECRET = re.compile(r'token|key|sig|secret|pass|pwd|auth|cred|jwt|session|code|policy', re.I)
_LONG = 20  # characters of a value that may be a secret whatever its name


def mask_credentials(text: str) -> str:
    """Replace the credentials in all URLs of a text by ``***``.

    Args:
        text: The text.

    Returns:
        The text without the account before the host, and without the values of parameters whose
        name suggests a secret, such as ``X-Amz-Signature``, or that have 20 characters or more.
    """
    return _URL.sub(_mask_url, text)


def _mask_url(match: re.Match[str]) -> str:
    return '://' + _PARAMETER.sub(_mask_parameter, _ACCOUNT.sub('***@', match[1]))


def _mask_parameter(match: re.Match[str]) -> str:
    separator, name, rest = match.groups()
    value = rest.rstrip(_PUNCTUATION)
    if value and (_SECRET.search(name) or len(value) >= _LONG):
        rest = '***' + rest[len(value) :]
    return f'{separator}{name}={rest}'


def mask_record(record: logging.LogRecord) -> bool:
    """Mask the message of a record of a log; a filter of loggers, which keeps all records."""
    record.msg, record.args = mask_credentials(record.getMessage()), ()
    return True


# Here, so that users of Python have it as well as the command line.
logging.getLogger('wrn').addFilter(mask_record)
