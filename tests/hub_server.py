"""A small local Hugging Face hub, and its contents."""

import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

import huggingface_hub

from wrn.download import fetch

DIGITS = 'wide-resnet16-2_1xb64_digits'
CONTENT, OLDER, CORRUPT = (bytes(range(256)) * 1000 + bytes([i]) for i in range(3))
DEFAULT = 'model.safetensors'
REPOSITORY = 'hf://user/repo'
# The requests of huggingface_hub: a file of a revision, and the list of its files.
FILE = re.compile(r'/([^/]+/[^/]+)/resolve/([^/]+)/(.+)')
LIST = re.compile(r'/api/models/([^/]+/[^/]+)(?:/(?:tree|revision)/([^/]+))?')


class Hub(ThreadingHTTPServer):
    """Has repositories. A revision is the name of a commit, and a commit has files."""

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
        self.slow = None  # requests with this in their path are answered too late
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


def get(address=REPOSITORY):
    return fetch([address], 'weights').read_bytes()


def cached_contents(tmp_path):
    """Return the contents of all files in the cache that may be weights."""
    files = [path for path in (tmp_path / 'cache').rglob('*') if path.is_file()]
    return {path.read_bytes() for path in files if path.stat().st_size > 1000}
