"""Decide whether a file may be downloaded from a host.

The names of torchvision's, timm's and OpenMMLab's files end in eight digits of their SHA-256. These
detect damage. They do not detect a forgery: another file with the same digits is found in a minute.
So the host and HTTPS have to vouch for such a file.
"""

import ipaddress
import logging
import os
from functools import cache
from urllib.parse import urlsplit

from wrn_base import model_index
from wrn_base.errors import DownloadError

_logger = logging.getLogger('wrn')
INSECURE = 'WRN_INSECURE'
_STRONG = 32  # digits of a hash that cannot be forged
_EXPIRED = 'openmmlab.com'  # whoever registers this domain could send other files


def check_source(url: str, mapped: str, expected_hash: str | None, typed: bool) -> None:
    """Check that a file may be downloaded from a URL.

    Args:
        url: The original URL of the file.
        mapped: The URL to download, which differs if there is a mirror.
        expected_hash: The known digits of the file's hash.
        typed: Whether the user gave the URL, and not a config or a table of names. Then a warning
            replaces the error, except for a domain that has expired.

    Raises:
        DownloadError: If nothing vouches for the file.
    """
    host = (urlsplit(mapped).hostname or '').rstrip('.')
    digits = len(expected_hash or '')
    if digits >= _STRONG or is_insecure() or _is_loopback(host):
        return
    if mapped != url:
        say_mirror(host, 'WRN_URL_MAPPING or url_mapping')
        return
    entry = model_index.find_by_file(url)
    hosts = {urlsplit(source).hostname for source in model_index.urls(entry)} if entry else {host}
    expired = f'.{host}'.endswith(f'.{_EXPIRED}')
    if expired:
        reason = f'the domain {_EXPIRED} has expired, so that anybody may own it'
    elif not mapped.lower().startswith('https:'):
        reason = 'plain HTTP can be changed on its way'
    elif host not in hosts:
        reason = f'{host} is not a host that the model index lists for this file'
    else:
        return
    known = f'only {digits} digits of its hash are known' if digits else 'its hash is unknown'
    if typed and not expired:
        _logger.warning('%s: not protected against forgery: %s, and %s', url, reason, known)
        return
    raise DownloadError(
        f'refused, since {reason}, and {known}; use an https:// URL of its publisher, or allow it '
        f'with --insecure or {INSECURE}=1'
    )


def is_insecure() -> bool:
    """Return whether the environment allows sources that nothing vouches for."""
    return os.environ.get(INSECURE, '').lower() not in ('', '0', 'false')


@cache  # said once for each host
def say_mirror(host: str, variable: str) -> None:
    """Log that files come from a mirror that the user has set.

    Args:
        host: The host of the mirror.
        variable: What the user has set.
    """
    if not _is_loopback(host):
        _logger.warning('%s: files come from this mirror, set by %s', host, variable)


def may_send_token(url: str) -> bool:
    """Return whether a token that is sent to a URL is encrypted, or the user has allowed otherwise.

    Args:
        url: The URL.
    """
    parts = urlsplit(url)
    return parts.scheme == 'https' or _is_loopback(parts.hostname or '') or is_insecure()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'
