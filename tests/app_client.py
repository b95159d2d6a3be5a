"""The application of the embedded model, its client, and images to send."""

import io
import json
import socket
import threading
from contextlib import contextmanager

import numpy as np
import uvicorn
from commands import wait_for
from PIL import Image
from starlette.testclient import TestClient

import wrn
from wrn.app import RequestLimits, app_server, make_app

NAME = 'wide-resnet16-2_1xb64_digits'
PNG = {'Content-Type': 'image/png'}
JSON = {'Content-Type': 'application/json'}


def digits_app(model=None, limits=None, **options):
    """Make the application of the embedded model."""
    limits = limits or RequestLimits()
    return make_app(model or wrn.get_model(NAME, True), NAME, limits=limits, **options)


@contextmanager
def digits_client(model=None, limits=None, **options):
    """Make a client of the application, which runs during the block."""
    with TestClient(digits_app(model, limits, **options), 'http://localhost') as client:
        yield client


def encoded(size=(16, 16), value=0, format='PNG'):
    """Encode an image of one color."""
    content = io.BytesIO()
    Image.fromarray(np.full((*size[::-1], 3), value, np.uint8)).save(content, format)
    return content.getvalue()


def post(client, content, kind='image/png', **params):
    """Send an image to be classified."""
    return client.post(
        '/api/predict', content=content, headers={'Content-Type': kind}, params=params
    )


def refused(response, status, part=''):
    """Check that a response is a refusal in one sentence, and return the sentence."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {'error'}
    assert part in body['error']
    assert '\n' not in body['error']
    return body['error']


def upload(client, content, name='a.png'):
    """Upload a file as the page does, and return its path on the server."""
    (path,) = client.post('/gradio_api/upload', files={'files': (name, content)}).json()
    return path


def send_event(client, *inputs):
    """Send the change of an image or of several, as the page does, and return the outputs."""
    events = client.get('/config').json()['dependencies']
    event = next(e['id'] for e in events if e['backend_fn'] and len(e['inputs']) == len(inputs))
    session = 'abc'
    body = dict(data=inputs, fn_index=event, session_hash=session, event_data=inputs[0])
    response = client.post('/gradio_api/queue/join', content=json.dumps(body), headers=JSON)
    assert response.status_code == 200, response.text
    text = client.get('/gradio_api/queue/data', params=dict(session_hash=session)).text
    lines = [line.partition(': ')[2] for line in text.splitlines() if line.startswith('data: ')]
    done = next(
        message for message in map(json.loads, lines) if message['msg'] == 'process_completed'
    )
    assert done['success']
    return done['output']['data']


@contextmanager
def serving_app(app, port=0):
    """Serve an application in a thread during the block, and yield its address."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(('127.0.0.1', port))
        config = uvicorn.Config(app, log_level='error', timeout_graceful_shutdown=1)
        server = app_server._Server(config, app, lambda: None)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            wait_for(lambda: server.started, thread.is_alive)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()


class Counting:
    """Counts the batches that a model runs, and may wait before each."""

    def __init__(self, model, gate=None):
        self.sizes = []
        model.register_forward_pre_hook(self._count, with_kwargs=True)
        self._gate = gate

    def __deepcopy__(self, _):
        return self  # heat maps are computed by a copy of the model

    def _count(self, _, args, kwargs):
        inputs = args[0] if args else kwargs['inputs']
        self.sizes.append(len(inputs))
        if self._gate:
            assert self._gate.wait(30)
