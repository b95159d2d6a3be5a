"""Find out which sources of weights the network reaches."""

import base64
import http.client
import os
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from wrn_base import model_index
from wrn_base.doctor.finding import Finding
from wrn_base.errors import one_line
from wrn_base.version import __version__

_HUB = 'hf://'
_SECONDS = 10.0  # for all sources, which are asked at the same time


def list_sources() -> list[str]:
    """Return the URL of one file on each host of the model index, or on its mirror.

    Mirrors are those of ``WRN_URL_MAPPING`` and ``HF_ENDPOINT``.
    """
    endpoint = os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')
    mapping = os.environ.get('WRN_URL_MAPPING', '').split()
    by_host: dict[str, str] = {}
    for entry in model_index.models().values():
        for url in model_index.urls(entry):
            if url.startswith(_HUB):
                user, repo, file = url.removeprefix(_HUB).split('/', 2)
                url = f'{endpoint}/{user}/{repo}/resolve/main/{file}'
            elif len(mapping) == 2:
                url = re.sub(mapping[0], mapping[1], url)
            by_host.setdefault(urlsplit(url).netloc, url)
    return list(by_host.values())


def check_sources(urls: Sequence[str], seconds: float = _SECONDS) -> Iterator[Finding]:
    """Ask each source for the head of a file, all at the same time.

    Args:
        urls: The URL of a file on each host.
        seconds: The time after which a source counts as unreachable. Defaults to 10.

    Yields:
        A finding for each source. If none is reached, the first is broken, since no weights can be
        downloaded; else one that is not reached is a warning.
    """
    problems: dict[str, str] = {}  # empty for a source that has the file
    # Daemons: resolving the name of a host has no time limit.
    threads = [
        threading.Thread(target=_ask, args=(url, seconds, problems), daemon=True) for url in urls
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    found = {url: problems.get(url, f'no answer within {seconds:g} s') for url in urls}
    for url, problem in found.items():
        host = urlsplit(url).netloc.rpartition('@')[2]
        if not problem:
            yield Finding('network', host, 'reached')
        elif all(found.values()):
            cure = 'check the network, or set HTTPS_PROXY to your proxy; --offline skips this'
            yield Finding('network', host, 'not reached', 'broken', problem, cure)
        else:
            cure = 'other sources are used; WRN_URL_MAPPING names a mirror'
            yield Finding('network', host, 'not reached', 'warning', problem, cure)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects that stay requests for the head, which older Pythons turn into downloads."""

    def redirect_request(self, *args: Any) -> urllib.request.Request | None:
        request = super().redirect_request(*args)
        if request:
            request.method = 'HEAD'
        return request


def _ask(url: str, seconds: float, problems: dict[str, str]) -> None:
    try:
        parts = urlsplit(url)
        account, _, host = parts.netloc.rpartition('@')
        request = urllib.request.Request(parts._replace(netloc=host).geturl(), method='HEAD')
        request.add_header('User-Agent', f'mmpretrain-wrn/{__version__}')
        if account:
            token = base64.b64encode(unquote_to_bytes(account)).decode()
            request.add_unredirected_header('Authorization', f'Basic {token}')
        with urllib.request.build_opener(_Redirects).open(request, timeout=seconds):
            problems[url] = ''
    except urllib.error.HTTPError as error:
        problems[url] = f'the server answers {error.code} for {urlsplit(url).path}'
        error.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        problems[url] = _explain(error)


def _explain(error: Exception) -> str:
    reason = getattr(error, 'reason', error)
    if isinstance(reason, socket.gaierror):
        return 'cannot resolve the name of the host (DNS)'
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f'its certificate is not trusted ({reason.verify_message}); set SSL_CERT_FILE'
    if isinstance(reason, TimeoutError):
        return 'no answer in time'
    return one_line(reason if isinstance(reason, BaseException) else error)
