"""Weights from ``hf://`` addresses, served by a small local Hugging Face hub."""

import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, hf_api

import wrn
from wrn.download import fetch, hugging_face
from wrn.utils.errors import CheckpointError, DownloadError

DIGITS = 'wide-resnet16-2_1xb64_digits'
CONTENT, OLDER, CORRUPT = (bytes(range(256)) * 1000 + bytes([i]) for i in range(3))
DEFAULT = 'model.safetensors'
REPOSITORY = 'hf://user/repo'
# The requests of huggingface_hub: a file of a revision, and the list of its files.
FILE = re.compile(r'/([^/]+/[^/]+)/resolve/([^/]+)/(.+)')
LIST = re.compile(r'/api/models/([^/]+/[^/]+)(?:/(?:tree|revision)/([^/]+))?')


class Hub(ThreadingHTTPServer):
    """Has repositories, whose revisions are names of commits, which have files."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.endpoint = f'http://127.0.0.1:{self.server_port}'
        self.revisions = {}
        self.files = {}
        self.requests = []  # method and path of each
        self.ranges = []  # header of each GET of a file
        self.status = None  # the status of every answer, if set
        self.sent = None  # sent instead of the file's content
        self.cut = None  # the next GET of a file ends after this many bytes
        self.slow = None  # requests whose path contains this are answered too late
        self.timed_out = False  # whether a client waited for one of them
        self.go = threading.Event()
        self.errors = []
        self.thread = threading.Thread(
            target=self.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True
        )
        self.thread.start()

    def commit(self, files, repository='user/repo', revision='main'):
        commit = hashlib.sha1(repr((repository, files)).encode()).hexdigest()
        self.revisions.setdefault(repository, {}).update({revision: commit, commit: commit})
        self.files[commit] = files
        return commit

    def stop(self):
        self.go.set()
        if self.thread.is_alive():
            self.shutdown()
            self.thread.join()
            self.server_close()
        huggingface_hub.close_session()  # or it would keep its connections

    def handle_error(self, request, client_address):
        if not isinstance(error := sys.exc_info()[1], ConnectionError):  # the client hung up
            self.errors.append(error)


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, body=b'', upto=None, **headers):
        self.send_response(status)
        for name, value in dict(Content_Length=len(body), **headers).items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(body[:upto])

    def refuse(self, status, code):
        message = f'Error {code}'
        self.answer(status, X_Error_Code=code, X_Error_Message=message)

    def do_GET(self):
        hub, path = self.server, urlparse(self.path).path
        if path == '/api/agent-harnesses':  # requested once per process
            return self.answer(404)
        hub.requests.append(f'{self.command} {path}')
        if hub.slow and hub.slow in path:
            hub.timed_out |= not hub.go.wait(3)
        if hub.status:
            return self.answer(hub.status)
        parts = (FILE.fullmatch(path) or LIST.fullmatch(path)).groups('main')
        repository, revision, *file = map(unquote, parts)
        if repository not in hub.revisions:
            return self.refuse(401, 'RepoNotFound')
        commit = hub.revisions[repository].get(revision)
        if not commit:
            return self.refuse(404, 'RevisionNotFound')
        if file:
            return self.send_file(commit, *file)
        files = hub.files[commit]
        entries = [
            dict(type='file', path=name, oid='0' * 40, size=len(content), rfilename=name)
            for name, content in files.items()
        ]
        if '/tree/' not in path:
            entries = dict(id=repository, sha=commit, siblings=entries)
        return self.answer(200, json.dumps(entries).encode(), Content_Type='application/json')

    do_HEAD = do_GET  # noqa: N815

    def send_file(self, commit, file):
        hub = self.server
        content = hub.files[commit].get(file)
        if content is None:
            return self.refuse(404, 'EntryNotFound')
        # The hub reports the SHA-256 of large files, and git's hash of small ones.
        etag = hashlib.new('sha256' if len(content) > 1000 else 'sha1', content).hexdigest()
        headers = dict(
            ETag=f'"{etag}"',
            X_Linked_Etag=f'"{etag}"',
            X_Linked_Size=len(content),
            X_Repo_Commit=commit,
        )
        if self.command == 'HEAD':
            return self.answer(200, content, **headers)
        asked = self.headers['Range']
        hub.ranges.append(asked)
        start = int(asked.removeprefix('bytes=').rstrip('-')) if asked else 0
        if start:
            size = len(content)
            headers['Content_Range'] = f'bytes {start}-{size - 1}/{size}'
        upto, hub.cut = hub.cut, None
        self.close_connection |= upto is not None
        return self.answer(206 if start else 200, (hub.sent or content)[start:], upto, **headers)


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    for name in ('WRN_OFFLINE', 'HF_HUB_OFFLINE', 'WRN_URL_MAPPING'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'torch'))
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_IMPLICIT_TOKEN', True)
    huggingface_hub.close_session()
    hub = Hub()
    template = '/{repo_id}/resolve/{revision}/{filename}'
    monkeypatch.setattr(constants, 'ENDPOINT', hub.endpoint)
    monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', hub.endpoint + template)
    monkeypatch.setattr(hf_api.api, 'endpoint', hub.endpoint)
    yield hub
    hub.stop()
    assert hub.errors == []


@pytest.fixture
def pauses(monkeypatch):
    """The pauses between retries, which are recorded and skipped."""
    pauses = []
    monkeypatch.setattr('time.sleep', pauses.append)
    return pauses


@pytest.fixture
def dead(dead_host):
    return f'{dead_host}/weights.safetensors'


def get(address=REPOSITORY):
    return fetch([address], 'weights').read_bytes()


def cached_contents(tmp_path):
    """Return the contents of all files in the cache that may be weights."""
    files = [path for path in (tmp_path / 'cache').rglob('*') if path.is_file()]
    return {path.read_bytes() for path in files if path.stat().st_size > 1000}


# The file of an address.


def test_the_default_file(hub, tmp_path):
    hub.commit({'README.md': b'#', 'a.safetensors': OLDER, DEFAULT: CONTENT, 'b.bin': OLDER})
    path = fetch([REPOSITORY], 'weights')
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / 'cache')
    assert path.name == DEFAULT


@pytest.mark.parametrize(
    'files',
    [
        {'README.md': b'#', 'w.safetensors': CONTENT, 'w.pth': OLDER},
        {'config.json': b'{}', 'pytorch_model.bin': CONTENT},
        {'logs/w.pth': CONTENT, 'logs/w.bin': OLDER},
    ],
)
def test_the_only_file_with_a_suffix(hub, files):
    hub.commit(files)
    assert get() == CONTENT


def test_several_files(hub, tmp_path):
    hub.commit({'b.safetensors': CONTENT, 'a.safetensors': CONTENT, 'c.pth': CONTENT})
    with pytest.raises(CheckpointError) as error:
        get()
    assert str(error.value) == (
        f'weights: cannot be downloaded ({REPOSITORY}: the repository has several files of weights '
        '(a.safetensors, b.safetensors); append one of them to the address); give the path of a file, or copy the cache of another machine to HF_HOME'
    )
    assert cached_contents(tmp_path) == set()


def test_no_weights(hub):
    hub.commit({'README.md': b'#'})
    with pytest.raises(CheckpointError, match=f'{REPOSITORY}: the repository has no weights'):
        get()


@pytest.mark.parametrize('name', ['b.safetensors', 'a folder/b.pth', 'none.at-all'])
def test_a_named_file(hub, name):
    hub.commit({DEFAULT: OLDER, name: CONTENT})
    assert get(f'{REPOSITORY}/{name}') == CONTENT
    assert not [request for request in hub.requests if '/api/' in request]


def test_a_revision(hub):
    hub.commit({DEFAULT: CORRUPT})
    commit = hub.commit({DEFAULT: OLDER, 'b.pth': OLDER}, revision='v1')
    hub.commit({DEFAULT: CONTENT}, revision='pr/1')
    assert get(f'{REPOSITORY}@v1') == OLDER
    assert get(f'{REPOSITORY}/b.pth@v1') == OLDER
    assert get(f'{REPOSITORY}@{commit}') == OLDER
    assert get(f'{REPOSITORY}/{DEFAULT}@pr/1') == CONTENT


@pytest.mark.parametrize(
    ('address', 'reason'),
    [
        ('hf://user/none', 'Repository Not Found'),
        (f'hf://user/none/{DEFAULT}', 'Repository Not Found'),
        (f'{REPOSITORY}/none.pth', 'Entry Not Found'),
        (f'{REPOSITORY}@none', 'Revision Not Found'),
        (f'{REPOSITORY}/{DEFAULT}@none', 'Revision Not Found'),
    ],
)
def test_missing_on_the_hub(hub, pauses, address, reason):
    hub.commit({DEFAULT: CONTENT})
    with pytest.raises(CheckpointError) as error:
        get(address)
    assert f'{address}: ' in str(error.value)
    assert reason in str(error.value)
    assert '\n' not in str(error.value)
    assert len(hub.requests) == 1
    assert pauses == []


INVALID = ['hf://', 'hf://user', 'hf://user/', 'hf://user@v1/repo']


@pytest.mark.parametrize('address', INVALID)
def test_an_invalid_address(hub, address):
    with pytest.raises(CheckpointError, match=rf'{address}: not of the form hf://USER/R'):
        get(address)
    assert hub.requests == []


@pytest.mark.parametrize('address', INVALID[1:])
def test_an_invalid_address_offline(monkeypatch, address):
    monkeypatch.setenv('WRN_OFFLINE', '1')
    with pytest.raises(CheckpointError, match=address):
        get(address)


def test_an_invalid_address_beside_a_valid_one(hub):
    hub.commit({DEFAULT: CONTENT})
    assert fetch(['hf://user', REPOSITORY], 'weights').read_bytes() == CONTENT


def test_parse():
    parse = hugging_face.parse
    assert parse('hf://timm/wide_resnet50_2.tv_in1k') == (
        'timm/wide_resnet50_2.tv_in1k',
        None,
        None,
    )
    assert parse('hf://a/b/c/d.pth@refs/pr/1') == ('a/b', 'c/d.pth', 'refs/pr/1')
    assert parse('hf://a/b@v1') == ('a/b', None, 'v1')
    with pytest.raises(DownloadError):
        parse('https://huggingface.co/a/b')


# The content.


def test_corrupt_content_is_not_kept(hub, tmp_path):
    hub.commit({DEFAULT: CONTENT})
    hub.sent = CORRUPT
    digest = hashlib.sha256(CONTENT).hexdigest()
    for _ in range(2):
        with pytest.raises(
            CheckpointError, match=f'{REPOSITORY}: wrong SHA-256 .expected {digest}'
        ):
            get()
        assert cached_contents(tmp_path) == set()
    hub.sent = None
    assert get() == CONTENT


def test_a_changed_file_in_the_cache_is_not_used(hub, tmp_path):
    hub.commit({DEFAULT: CONTENT})
    fetch([REPOSITORY], 'weights').resolve().write_bytes(CORRUPT)
    with pytest.raises(CheckpointError, match=f'{REPOSITORY}: wrong SHA-256'):
        get()
    assert get() == CONTENT


def test_a_small_file_without_sha256(hub):
    hub.commit({DEFAULT: b'small'})
    assert get() == b'small'


def test_a_truncated_body_is_resumed(hub, pauses, monkeypatch):
    monkeypatch.setattr(constants, 'DOWNLOAD_CHUNK_SIZE', 10_000)
    hub.commit({DEFAULT: CONTENT})
    hub.cut = 100_000
    assert get() == CONTENT
    assert hub.ranges == [None, 'bytes=100000-']


def test_a_new_version_is_downloaded(hub):
    hub.commit({DEFAULT: OLDER})
    assert get() == OLDER
    hub.commit({DEFAULT: CONTENT})
    assert get() == CONTENT
    assert get() == CONTENT
    assert hub.ranges == [None, None]


# Offline. The cache knows only the commit of a branch at its last download.

ADDRESSES = [
    REPOSITORY,
    f'{REPOSITORY}/{DEFAULT}',
    f'{REPOSITORY}@v1',
    f'{REPOSITORY}/{DEFAULT}@v1',
]


@pytest.fixture
def commit(hub):
    """The commit that contains the files of ``ADDRESSES``."""
    hub.commit({DEFAULT: CONTENT}, revision='v1')
    return hub.commit({DEFAULT: CONTENT})


@pytest.mark.parametrize('variable', ['WRN_OFFLINE', 'HF_HUB_OFFLINE'])
@pytest.mark.parametrize('address', ADDRESSES)
def test_offline(hub, commit, monkeypatch, address, variable):
    assert get(address) == CONTENT
    hub.requests.clear()
    monkeypatch.setenv(variable, '1')
    assert get(address) == CONTENT
    assert hub.requests == []


def test_offline_with_a_commit(hub, commit, monkeypatch):
    assert get(f'{REPOSITORY}@{commit}') == CONTENT
    hub.requests.clear()
    monkeypatch.setenv('WRN_OFFLINE', '1')
    assert get(f'{REPOSITORY}@{commit}') == CONTENT
    assert get(f'{REPOSITORY}/{DEFAULT}@{commit}') == CONTENT
    assert hub.requests == []


def test_offline_the_last_version_is_used(hub, monkeypatch):
    for content in (OLDER, CONTENT):
        hub.commit({DEFAULT: content})
        assert get() == content
    monkeypatch.setenv('WRN_OFFLINE', '1')
    assert get() == CONTENT


def test_offline_with_a_file_that_another_library_downloaded(hub, commit, monkeypatch):
    huggingface_hub.hf_hub_download('user/repo', DEFAULT)
    hub.requests.clear()
    monkeypatch.setenv('WRN_OFFLINE', '1')
    assert get() == CONTENT
    assert hub.requests == []


def test_offline_without_the_file(hub, commit, monkeypatch):
    get(f'{REPOSITORY}@v1')
    hub.requests.clear()
    monkeypatch.setenv('WRN_OFFLINE', '1')
    address = f'{REPOSITORY}/none.pth'
    with pytest.raises(CheckpointError) as error:
        get(address)
    assert str(error.value) == (
        'weights: not in the cache, and WRN_OFFLINE or HF_HUB_OFFLINE disables the download '
        f'from {address}; give the path of a file, or copy the cache of another machine to HF_HOME'
    )
    assert hub.requests == []


@pytest.mark.parametrize('address', ADDRESSES)
def test_the_cache_is_used_if_the_hub_is_unreachable(hub, commit, caplog, pauses, address):
    assert get(address) == CONTENT
    hub.stop()
    assert get(address) == CONTENT
    (record,) = [r for r in caplog.records if r.name == hugging_face.__name__]
    assert record.levelname == 'WARNING'
    assert record.getMessage().startswith(f'{address}: ')
    assert record.getMessage().endswith('; using the cached version')


@pytest.mark.parametrize('address', ADDRESSES)
@pytest.mark.parametrize('status', [500, 503])
def test_a_failing_hub_costs_seconds(hub, pauses, address, status):
    hub.status = status
    with pytest.raises(CheckpointError, match=f'{address}: .*{status}'):
        get(address)
    assert len(hub.requests) <= 2
    assert sum(pauses) <= 3


@pytest.mark.parametrize('address', ADDRESSES)
def test_an_unreachable_hub_costs_seconds(hub, pauses, address):
    hub.stop()
    with pytest.raises(CheckpointError, match=f'{address}: .*[Cc]onnection refused'):
        get(address)
    assert sum(pauses) <= 3


@pytest.mark.parametrize('address', ADDRESSES)
def test_an_unresponsive_hub_costs_seconds(hub, commit, monkeypatch, pauses, address):
    monkeypatch.setattr(hugging_face, '_TIMEOUT', 0.2)
    hub.slow = '/'
    with pytest.raises(CheckpointError, match=f'{address}: .*timed out'):
        get(address)
    assert len(hub.requests) <= 2
    assert not hub.timed_out


# Beside other URLs.


def test_the_hub_after_an_unreachable_url(hub, commit, dead, caplog):
    assert fetch([dead, REPOSITORY], 'weights').read_bytes() == CONTENT
    assert f'{dead}: cannot be reached (Connection refused); trying the next URL' in caplog.text


def test_all_urls_fail(hub, dead, pauses):
    hub.status = 503
    with pytest.raises(CheckpointError) as error:
        fetch([f'{REPOSITORY}/{DEFAULT}', dead], 'weights')
    assert f'{REPOSITORY}/{DEFAULT}: ' in str(error.value)
    assert '503' in str(error.value)
    assert f'{dead}: cannot be reached' in str(error.value)
    assert 'put weights.safetensors into ' in str(error.value)


@pytest.mark.parametrize('address', ADDRESSES)
def test_a_cached_file_is_used_before_another_url(hub, commit, dead, caplog, address):
    assert get(address) == CONTENT
    hub.requests.clear()
    assert fetch([dead, address], 'weights').read_bytes() == CONTENT
    assert fetch([address, dead], 'weights').read_bytes() == CONTENT
    assert hub.requests == []
    assert caplog.records == []


# get_model.


@pytest.mark.parametrize('address', [REPOSITORY, f'{REPOSITORY}/w.safetensors@v1'])
def test_get_model(hub, digits_weights, address):
    content = Path(digits_weights).read_bytes()
    hub.commit({'w.safetensors': content, 'README.md': b'#'})
    hub.commit({'w.safetensors': content}, revision='v1')
    model = wrn.get_model(DIGITS, pretrained=address)
    expected = wrn.get_model(DIGITS, pretrained=True).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_get_model_with_a_missing_repository(hub):
    with pytest.raises(CheckpointError, match=r'hf://user/none: .*Repository Not Found'):
        wrn.get_model(DIGITS, pretrained='hf://user/none')
