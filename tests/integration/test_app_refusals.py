"""What the HTTP interface of the application refuses, and how."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from app_client import NAME, PNG, Counting, digits_app, digits_client, encoded, post, refused
from PIL import Image
from starlette.testclient import TestClient

import wrn
from wrn.app import RequestLimits
from wrn.app.classification import Classification


@pytest.fixture(scope='module')
def narrow(model):
    """A client of an application with small limits."""
    limits = RequestLimits(image_bytes=5000, request_bytes=9000, pixels=4096, queue=2)
    with digits_client(model, limits) as client:
        yield client


def endless():
    for _ in range(1000):
        yield bytes(1000)


NOISE = np.random.default_rng(0).integers(0, 255, (44, 44, 3), np.uint8)


def noise():
    content = io.BytesIO()
    Image.fromarray(NOISE).save(content, 'PNG')
    return content.getvalue()


REFUSED = {
    'image bytes': (dict(content=noise()), 413, 'more than 0.005 MB'),
    'request bytes': (dict(content=bytes(20_000)), 413, 'more than 0.009 MB'),
    'endless body': (dict(content=endless()), 413, 'MB'),
    'pixels': (dict(content=encoded((65, 64))), 413, '65x64 pixels are more than 4,096'),
    'bomb': (dict(content=b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + b'\x7f\xff\xff\xff' * 2 + bytes(9)), 413, 'pixels'),
    'long side': (dict(content=encoded((4000, 1))), 413, 'over 500 times'),
    'not an image': (dict(content=b'<html>'), 415, 'not an image; the known formats'),
    'svg': (dict(content=b'<svg xmlns="http://www.w3.org/2000/svg"/>'), 415, 'not an image'),
    'empty': (dict(content=b''), 415, 'empty'),
    'cut off': (dict(content=b'\x89PNG\r\n\x1a\n'), 422, 'damaged'),
    'json': (dict(json={'url': 'http://127.0.0.1/a.png'}), 415, "'application/json': not an image"),
    'no type': (dict(content=encoded(), headers={}), 415, "Content-Type '': not an image"),
    'form field': (dict(data={'url': 'http://127.0.0.1'}, files=[('a', ('a', b'b'))]), 422, "'url': not a file"),
    'no file': (dict(content=b'--b--\r\n', headers={'Content-Type': 'multipart/form-data; boundary=b'}), 422, 'has no file'),
    'no boundary': (dict(content=b'a', headers={'Content-Type': 'multipart/form-data'}), 400, 'form'),
    'images': (dict(files=[('a', (f'{i}.png', encoded())) for i in range(3)]), 413, 'more than 2 images'),
    'topk': (dict(content=encoded(), params=dict(topk=0)), 422, 'topk: '),
    'topk text': (dict(content=encoded(), params=dict(topk='many')), 422, 'topk: '),
    'unknown': (dict(content=encoded(), params=dict(tpok=2)), 422, "'tpok': unknown parameter; did you mean 'topk'?"),
    'topk twice': (dict(content=encoded(), params=dict(topk=[1, 2])), 422, "'topk': given more than once"),
    'topk digits': (dict(content=encoded(), params=dict(topk='9' * 5000)), 422, 'topk: '),
    'heatmap': (dict(content=encoded(), params=dict(heatmap='perhaps')), 422, 'heatmap: '),
}  # fmt: skip


@pytest.mark.parametrize('case', REFUSED)
def test_refusals(case, narrow):
    request, status, part = REFUSED[case]
    if 'content' in request:
        request = dict(headers=PNG) | request
    refused(narrow.post('/api/predict', **request), status, part)


def test_numbers_agree_with_nouns(model):
    with digits_client(model, RequestLimits(queue=1)) as client:
        files = [('a', ('a.png', encoded()))] * 2
        refused(client.post('/api/predict', files=files), 413, 'more than 1 image; send')
        event = next(key for key, number in client.app.state.events.items() if number == 1)
        body = dict(fn_index=event, data=[])
        refused(client.post('/gradio_api/queue/join', json=body), 422, 'has 1 input; load')


def test_a_large_image_among_good_ones_fails_alone(narrow):
    files = [('a', ('large.png', noise())), ('a', ('good.png', encoded()))]
    large, good = narrow.post('/api/predict', files=files).json()['results']
    assert large['status'] == 413
    assert large['error'] == 'large.png: has more than 0.005 MB; make the image smaller'
    assert good['predictions']


def test_nothing_is_held_after_refusals(narrow):
    """Each of them gives back its bytes, or the next would be refused."""
    for _ in range(20):
        refused(narrow.post('/api/predict', content=bytes(8000), headers=PNG), 413, 'MB')
    assert post(narrow, encoded()).status_code == 200


def test_a_full_queue_is_429_and_a_slow_one_504():
    model = wrn.get_model(NAME, True)
    gate = threading.Event()
    counting = Counting(model, gate)
    limits = RequestLimits(queue=1, seconds=1.5)
    with digits_client(model, limits, batch_size=1) as client, ThreadPoolExecutor(2) as pool:
        running = pool.submit(post, client, encoded())
        while not counting.sizes:
            threading.Event().wait(0.002)
        waiting = pool.submit(post, client, encoded())
        while not client.app.state.queue._waiting:
            threading.Event().wait(0.002)
        full = post(client, encoded())
        refused(full, 429, 'images that wait: 1 of at most 1; send')
        assert full.headers['Retry-After'] == '1'
        for future in (running, waiting):
            busy = 'no answer within 1.5 s: the server is busy; send the request again later'
            assert refused(future.result(), 504, busy) == busy
        gate.set()
        assert post(client, encoded()).status_code == 200


def test_weights_that_compute_nan_are_one_sentence():
    model = wrn.get_model(NAME, True)
    torch.nn.init.constant_(model.head.fc.weight, float('nan'))
    with digits_client(model) as client:
        refused(post(client, encoded()), 500, 'the network computes NaN')


OTHERS = {
    ('GET', '/api/predict'): (405, 'there is only POST /api/predict'),
    ('OPTIONS', '/api/predict'): (405, 'there is only'),
    ('POST', '/api/model'): (405, 'there is only'),
    ('TRACE', '/api/model'): (405, 'there is only'),
    ('POST', '/api/other'): (404, 'there is only'),
    ('OPTIONS', '/api/other'): (404, 'there is only'),
    ('GET', '/api'): (404, '/api: not found'),
    ('GET', '/nothing'): (404, '/nothing: not found; see docs/app.md'),
    ('GET', '/\u202e' + 'x' * 300): (404, 'not found'),
    ('OPTIONS', '/'): (405, 'not a part'),
    ('POST', '/nothing'): (405, 'not a part'),
    ('GET', '/gradio_api/proxy=https://example.org/'): (404, 'not a part'),
    ('GET', '/gradio_api/file=http://example.org/a.png'): (422, 'not that of an'),
    ('GET', '/gradio_api/queue/data'): (422, '/gradio_api/queue/data: '),
    ('POST', '/gradio_api/run/predict'): (404, 'not a part'),
    ('GET', '/api/model?tpok=2'): (422, "'tpok': unknown parameter"),
}


@pytest.mark.parametrize('case', OTHERS)
def test_other_paths_and_methods(case, client):
    status, part = OTHERS[case]
    assert len(refused(client.request(*case), status, part)) < 200


def test_head_is_answered_as_get_is(client):
    for path in ('/', '/api/model'):
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code == 200
        assert head.content == b''
    assert client.head('/nothing').status_code == 404
    assert client.get('/api/predict').headers['Allow'] == 'POST'
    assert client.post('/api/model').headers['Allow'] == 'GET, HEAD'
    for path in ('/docs', '/redoc', '/openapi.json'):  # they would load scripts of another host
        assert 'jsdelivr' not in client.get(path).text


def test_a_failure_of_the_server_is_one_sentence(monkeypatch):
    monkeypatch.setattr(Classification, 'classify', lambda *_: 1 / 0)
    with TestClient(digits_app(), 'http://localhost', raise_server_exceptions=False) as client:
        refused(post(client, encoded()), 500, 'the server failed (ZeroDivisionError)')
