"""A small local Hugging Face hub, and its contents."""

import base64
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

import huggingface_hub
import yaml

from wrn.download import fetch

DIGITS = 'wide-resnet16-2_1xb64_digits'
CONTENT, OLDER, CORRUPT = (bytes(range(256)) * 1000 + bytes([i]) for i in range(3))
DEFAULT = 'model.safetensors'
REPOSITORY = 'hf://user/repo'
# The requests of huggingface_hub: a file of a revision, and the list of its files.
FILE = re.compile(r'/([^/]+/[^/]+)/resolve/([^/]+)/(.+)')
LIST = re.compile(r'/api/models/([^/]+/[^/]+)(?:/(?:tree|revision)/([^/]+))?')
# Those of an upload: what kind of file each is, where to send large ones, and the commit.
UPLOAD = re.compile(
    r'(?:/api/models)?/([^/]+/[^/]+?)(?:\.git/info/lfs/objects/(batch)|/(preupload|commit)/main)'
)
CARD = re.compile(r'---\n(.*?)\n---\n', re.DOTALL)  # its metadata
LICENSES = ('apache-2.0', 'bsd-3-clause', 'cc-by-4.0', 'mit')  # that the cards may name
TOKEN, READ_ONLY = 'hf_a1B2c3D4e5F6g7H8i9J0', 'hf_read0nlyread0nlyread'


class Hub(ThreadingHTTPServer):
    """Has repositories. A revision is the name of a commit, and a commit has files."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.endpoint = f'http://127.0.0.1:{self.server_port}'
        self.revisions = {}
        self.files = {}
        self.private = set()
        self.objects = {}  # uploaded content by its SHA-256
        self.before = {}  # called before a request with this in its path is answered
        self.requests = []  # method and path of each
        self.ranges = []  # header of each GET of a file
        self.status = None  # the status of every answer, if set
        self.message, self.body = '', b''  # and what the answer says
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

    def content(self, repository):
        return self.files[self.revisions[repository]['main']]

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
        if self.command != 'HEAD':
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
        hidden = repository in hub.private and not self.headers['Authorization']
        if repository not in hub.revisions or hidden:
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
            private = repository in hub.private
            entries = dict(id=repository, sha=commit, siblings=entries, private=private)
        return self.answer(200, json.dumps(entries).encode(), Content_Type='application/json')

    do_HEAD = do_GET  # noqa: N815

    def send_json(self, content):
        self.answer(200, json.dumps(content).encode(), Content_Type='application/json')

    def do_POST(self):
        hub, path = self.server, urlparse(self.path).path
        body = self.rfile.read(int(self.headers['Content-Length'] or 0))
        if self.headers['Transfer-Encoding'] == 'chunked':
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        hub.requests.append(f'{self.command} {path}')
        for part, call in hub.before.items():
            if part in path:
                call()
        if hub.slow and hub.slow in path:
            hub.timed_out |= not hub.go.wait(3)
        if hub.status:
            return self.answer(hub.status, hub.body, X_Error_Message=hub.message)
        if path == '/api/validate-yaml':
            return self.validate(json.loads(body)['content'])
        if path.startswith('/lfs/'):  # the address allows the upload, without a token
            if hashlib.sha256(body).hexdigest() != path.removeprefix('/lfs/'):
                return self.answer(400)
            hub.objects[path.removeprefix('/lfs/')] = body
            return self.answer(200)
        token = (self.headers['Authorization'] or '').removeprefix('Bearer ')
        if token not in (TOKEN, READ_ONLY):
            message = 'Invalid credentials in Authorization header'
            return self.answer(401, X_Error_Message=message)
        if path == '/api/repos/create':
            asked = json.loads(body)
            repository = f'{asked["organization"]}/{asked["name"]}'
        else:
            repository, *asked_for = UPLOAD.fullmatch(path).groups()
        if not repository.startswith('user/') or token == READ_ONLY:
            return self.answer(403, X_Error_Message='You do not have the rights')
        if path == '/api/repos/create':
            if asked.get('visibility') == 'private' or asked.get('private'):
                hub.private.add(repository)
            hub.commit({'.gitattributes': b'*.safetensors filter=lfs'}, repository)
            return self.send_json(dict(url=f'{hub.endpoint}/{repository}'))
        return getattr(self, next(filter(None, asked_for)))(repository, body)

    do_PUT = do_POST  # noqa: N815

    def validate(self, content):
        data = yaml.safe_load(CARD.match(content)[1])
        if data.get('license', 'mit') not in LICENSES:
            text = json.dumps(dict(errors=[dict(message=f'"license" must be one of {LICENSES}')]))
            return self.answer(400, text.encode(), Content_Type='application/json')
        return self.send_json(dict(errors=[], warnings=[]))

    def preupload(self, repository, body):
        files = [
            dict(
                path=file['path'],
                uploadMode='lfs' if file['path'].endswith('.safetensors') else 'regular',
                shouldIgnore=False,
            )
            for file in json.loads(body)['files']
        ]
        self.send_json(dict(files=files))

    def batch(self, repository, body):
        objects = json.loads(body)['objects']
        for one in objects:
            if one['oid'] not in self.server.objects:
                href = f'{self.server.endpoint}/lfs/{one["oid"]}'
                one['actions'] = dict(upload=dict(href=href))
        self.send_json(dict(objects=objects, transfer='basic'))

    def commit(self, repository, body):
        hub = self.server
        header, *operations = map(json.loads, body.splitlines())
        head = hub.revisions[repository]['main']
        if header['value'].get('parentCommit', head) != head:
            return self.answer(412, X_Error_Message='A commit has happened since')
        files = dict(hub.files[head])
        for operation in operations:
            value = operation['value']
            if operation['key'] == 'lfsFile':
                files[value['path']] = hub.objects[value['oid']]
            else:
                files[value['path']] = base64.b64decode(value['content'])
        oid = hub.commit(files, repository)
        url = f'{hub.endpoint}/{repository}/commit/{oid}'
        return self.send_json(dict(success=True, commitOid=oid, commitUrl=url))

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
