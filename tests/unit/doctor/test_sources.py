"""All sources are asked at the same time, by a request for the head of a file."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from wrn_base import model_index
from wrn_base.doctor.sources import check_sources, list_sources


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.server.requests.append((self.command, self.path))
        self.server.accounts.add(self.headers['Authorization'])
        status = {'/gone': 404, '/moved': 302, '/circle': 302}.get(self.path, 200)
        if self.path == '/silent':
            self.server.go.wait(20)  # longer than any client should wait
        self.send_response(status)
        if status == 302:
            self.send_header('Location', '/there' if self.path == '/moved' else '/circle')
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815


@pytest.fixture
def host(serving):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.requests, server.accounts, server.go = [], set(), threading.Event()
    with serving(server):
        server.url = f'http://user:secret@127.0.0.1:{server.server_port}'
        yield server
        server.go.set()


def test_each_host_of_the_index_is_asked_once(monkeypatch):
    for name in ('HF_ENDPOINT', 'WRN_URL_MAPPING'):
        monkeypatch.delenv(name, raising=False)
    urls = list_sources()
    hosts = [urlsplit(url).netloc for url in urls]
    assert len(set(hosts)) == len(hosts)
    known = [url for entry in model_index.models().values() for url in model_index.urls(entry)]
    expected = {urlsplit(url).netloc for url in known if url.startswith('https:')}
    assert set(hosts) == expected | {'huggingface.co'}
    (hub,) = [url for url in urls if 'huggingface' in url]
    assert urlsplit(hub).path.count('/resolve/main/') == 1


def test_mirrors(monkeypatch):
    monkeypatch.setenv('HF_ENDPOINT', 'https://hub.mirror/')
    monkeypatch.setenv('WRN_URL_MAPPING', 'https://[^/]+ https://mirror')
    assert {urlsplit(url).netloc for url in list_sources()} == {'mirror', 'hub.mirror'}


def test_answers(host, dead_host):
    paths = ('/there', '/moved', '/gone', '/silent', '/circle')
    urls = [*(host.url + path for path in paths), f'{dead_host}/x', 'http://host.invalid/x']
    found = list(check_sources(urls, seconds=2))
    assert [one.value for one in found] == ['reached'] * 2 + ['not reached'] * 5
    assert {one.status for one in found[2:]} == {'warning'}  # others are reached
    problems = [one.problem for one in found]
    assert problems[2] == 'the server answers 404 for /gone'
    assert problems[3].startswith('no answer')
    assert problems[5] == 'Connection refused'
    assert problems[6] == 'cannot resolve the name of the host (DNS)'
    assert {method for method, _ in host.requests} == {'HEAD'}
    assert ('HEAD', '/there') in host.requests
    assert host.accounts == {f'Basic {base64.b64encode(b"user:secret").decode()}', None}
    assert 'secret' not in str(found)


def test_no_source_is_reached(dead_host):
    found = list(check_sources([f'{dead_host}/x', 'http://host.invalid/x']))
    assert {one.status for one in found} == {'broken'}
    assert '--offline' in found[0].cure
