"""The HTTP interface of the application: its results, limits and refusals."""

import base64
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from app_client import NAME, PNG, Counting, digits_client, encoded
from PIL import Image

import wrn
from wrn.app import RequestLimits
from wrn.app.classification import Classification, Question
from wrn.data.images import EncodedImage, read_image
from wrn.inference import Predictor
from wrn.inference.explanations import Explainer
from wrn.inference.heat_map import overlay
from wrn_base.errors import WrnError

DEMO = ('digit_3.png', 'digit_7.png')


@pytest.fixture(scope='module')
def model():
    return wrn.get_model(NAME, True)


@pytest.fixture(scope='module')
def client(model):
    with digits_client(model) as client:
        yield client


def post(client, content, kind='image/png', **params):
    return client.post(
        '/api/predict', content=content, headers={'Content-Type': kind}, params=params
    )


def refused(response, status, part):
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {'error'}
    assert part in body['error']
    assert '\n' not in body['error']
    return body['error']


def test_results_are_those_of_predict(client, checkout):
    paths = [checkout / 'demo' / name for name in DEMO]
    files = [('files', (path.name, path.read_bytes())) for path in paths]
    body = client.post('/api/predict', files=files, params=dict(topk=3)).json()
    assert body['model'] == NAME
    for result, expected in zip(body['results'], wrn.predict(paths, topk=3), strict=True):
        assert result['file'] == expected['img_path'].rpartition('/')[2]
        for ours, theirs in zip(result['predictions'], expected['predictions'], strict=True):
            assert ours == theirs | dict(pred_score=pytest.approx(theirs['pred_score'], abs=1e-6))
    (alone,) = post(client, paths[1].read_bytes(), topk=3).json()['results']
    assert alone['predictions'] == [
        prediction | dict(pred_score=pytest.approx(prediction['pred_score'], abs=1e-6))
        for prediction in body['results'][1]['predictions']
    ]
    assert 'heatmap' not in alone


def heat_map(result):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(result['heatmap']))))


def test_heat_map_is_that_of_explain(client, model, checkout):
    path = checkout / 'demo' / DEMO[1]
    (result,) = post(client, path.read_bytes(), heatmap=True).json()['results']
    drawn = heat_map(result)
    predictor = Predictor(model)
    ((inputs,), _) = next(iter(predictor.batches([path])))
    (raw,) = Explainer(model)(inputs, [7])
    pixels = predictor.pipeline(read_image(path))[..., ::-1]
    large = np.kron(pixels, np.ones((14, 14, 1), np.uint8))  # 16 px are too few to see a map
    np.testing.assert_array_equal(drawn, overlay(large, raw, 0.5))
    assert np.abs(drawn.astype(int) - large).max() > 20  # a map that says something
    (explained,) = wrn.explain(path, NAME)
    np.testing.assert_array_equal(drawn, explained['explanations'][0]['overlay'])


def test_heat_maps_share_a_batch_and_are_those_of_single_images(client, checkout, monkeypatch):
    contents = [(checkout / 'demo' / name).read_bytes() for name in DEMO]
    alone = [post(client, content, heatmap=True).json()['results'][0] for content in contents]
    sizes, explain = [], Explainer.__call__

    def count(self, inputs, labels):
        sizes.append(len(inputs))
        return explain(self, inputs, labels)

    monkeypatch.setattr(Explainer, '__call__', count)
    files = [('files', (f'{i}.png', contents[i % 2])) for i in range(8)]
    results = client.post('/api/predict', files=files, params=dict(heatmap=True)).json()['results']
    assert sum(sizes) == 8
    assert len(sizes) <= 2  # not one by one
    for i, result in enumerate(results):
        difference = heat_map(result).astype(int) - heat_map(alone[i % 2])
        assert np.abs(difference).max() <= 3  # rounding may give the next color of the map
        (ours, theirs) = (r['predictions'][0]['pred_label'] for r in (result, alone[i % 2]))
        assert ours == theirs


def test_an_image_that_cannot_be_explained_fails_alone(model, checkout, monkeypatch):
    """The images of a batch may be those of several clients."""
    explain = Explainer.__call__

    def fail_for_dark(self, inputs, labels):
        if (inputs.mean((1, 2, 3)) < -0.99).any():
            raise WrnError('the network computes NaN')
        return explain(self, inputs, labels)

    monkeypatch.setattr(Explainer, '__call__', fail_for_dark)
    classification = Classification(Predictor(model), RequestLimits(), 8)
    good = (checkout / 'demo' / DEMO[1]).read_bytes()
    images = [EncodedImage('dark.png', encoded()), EncodedImage('good.png', good)]
    dark, bright = classification._classify([Question(image, 1, True) for image in images])
    assert 'computes NaN' in str(dark)
    assert bright.record['predictions'][0]['pred_label'] == 7


def test_model(client):
    body = client.get('/api/model').json()
    assert body['model'] == NAME
    assert body['classes'] == list('0123456789')
    assert body['limitations'].startswith('handwritten digits only')
    assert body['preprocessing']['mean'] == [127.5] * 3
    assert body['provenance'] == 'trained here'
    assert body['sha256'].startswith('1bb60273')
    assert body['weights'] == ['wide-resnet16-2_1xb64_digits-1bb60273.safetensors']
    assert body['limits']['image_bytes'] == 10_000_000
    assert body['heatmaps'] == 'yes'


def test_concurrent_requests_share_batches_and_each_gets_its_own_answer(checkout):
    model = wrn.get_model(NAME, True)
    gate = threading.Event()
    counting = Counting(model, gate)
    contents = [(checkout / 'demo' / name).read_bytes() for name in DEMO]
    with digits_client(model, batch_size=8) as client, ThreadPoolExecutor(24) as pool:
        # While the first batch is held, all others come.
        futures = [pool.submit(post, client, contents[i % 2]) for i in range(24)]
        queue = client.app.state.queue
        while len(queue._waiting) + sum(counting.sizes) < 24:
            threading.Event().wait(0.002)
        gate.set()
        results = [future.result().json()['results'][0] for future in futures]
    labels = [result['predictions'][0]['pred_label'] for result in results]
    assert labels == [3, 7] * 12
    assert sum(counting.sizes) == 24
    assert len(counting.sizes) <= 1 + 3  # the first batch has what came within milliseconds
    assert max(counting.sizes) == 8


def test_a_bad_image_among_good_ones_fails_alone(client, checkout):
    good = (checkout / 'demo' / DEMO[1]).read_bytes()
    cut = encoded((64, 64), format='JPEG')[:400]
    files = [
        ('files', ('good.png', good)),
        ('files', ('page.html', b'<html>')),
        ('files', ('cut.jpg', cut)),
        ('files', ('also good.png', good)),
    ]
    response = client.post('/api/predict', files=files)
    assert response.status_code == 200
    first, page, cut, last = response.json()['results']
    assert first['predictions'] == last['predictions']
    assert page['status'] == 415
    assert page['error'].startswith('page.html: not an image')
    assert cut['status'] == 422
    assert cut['error'].startswith('cut.jpg: ')


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
    'heatmap': (dict(content=encoded(), params=dict(heatmap='perhaps')), 422, 'heatmap: '),
}  # fmt: skip


@pytest.mark.parametrize('case', REFUSED)
def test_refusals(case, narrow):
    request, status, part = REFUSED[case]
    if 'content' in request:
        request = dict(headers=PNG) | request
    refused(narrow.post('/api/predict', **request), status, part)


def test_nothing_is_held_after_refusals(narrow):
    """Each of them gives back its bytes, or the next would be refused."""
    for _ in range(20):
        refused(narrow.post('/api/predict', content=bytes(8000), headers=PNG), 413, 'MB')
    assert post(narrow, encoded()).status_code == 200


def test_hostile_file_names_are_texts(client):
    names = ['<script>alert(1)</script>', 'a' * 400, '\u202egnp.exe', "'; DROP", '../../etc/passwd']
    files = [('f', (name, b'no')) for name in names] + [('f', ('good', encoded()))]
    results = client.post('/api/predict', files=files).json()['results']
    assert [len(result['file']) <= 300 for result in results] == [True] * 6
    assert '\u202e' not in results[2]['error']
    assert all(result['status'] == 415 for result in results[:-1])


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
        refused(full, 429, '1 image of at most 1 are waiting')
        assert full.headers['Retry-After'] == '1'
        for future in (running, waiting):
            refused(future.result(), 504, 'no answer within 1.5 s')
        gate.set()
        assert post(client, encoded()).status_code == 200


def test_weights_that_compute_nan_are_one_sentence():
    model = wrn.get_model(NAME, True)
    torch.nn.init.constant_(model.head.fc.weight, float('nan'))
    with digits_client(model) as client:
        refused(post(client, encoded()), 500, 'the network computes NaN')


def test_a_frozen_graph_has_no_heat_maps_and_says_why(exported_digits):
    path = exported_digits('onnx')
    with digits_client(wrn.get_model(str(path), True)) as client:
        assert post(client, encoded()).status_code == 200
        refused(post(client, encoded(), heatmap=True), 422, 'frozen graph')
        assert 'frozen graph' in client.get('/api/model').json()['heatmaps']


def test_hostile_class_names_are_texts(model, checkout):
    """The page has them in its description, and in the table and the label of an image."""
    from wrn.app import page_parts

    name = '<img src=x onerror="alert(1)">${alert(2)}{{value}}\u202e' + 'x' * 300
    html = page_parts.description(dict(classes=[name]))
    for part in ('<img', '${', '{{', '\u202e'):
        assert part not in html
    assert '&lt;img src=x' in html
    (label,) = page_parts.label_values(
        dict(predictions=[dict(pred_label=0, pred_class=name, pred_score=1.0)])
    )
    assert '\u202e' not in label


def test_formulas_are_escaped_in_the_table():
    from wrn.app import page_parts
    from wrn.app.classification import Answer

    record = dict(predictions=[dict(pred_label=0, pred_score=0.5, pred_class='=1+1')])
    html = page_parts.table(['@SUM(A1).png'], [Answer(record, None)])
    content = html.partition('base64,')[2].partition('"')[0]
    assert base64.b64decode(content).decode().splitlines() == [
        'file,class,probability,error',
        "'@SUM(A1).png,'=1+1,0.5,",
    ]


def test_other_paths(client):
    refused(client.get('/api/predict'), 405, 'there is only POST /api/predict')
    refused(client.post('/api/other'), 404, 'there is only')
    for path in ('/docs', '/redoc', '/openapi.json'):  # they would load scripts of another host
        assert 'jsdelivr' not in client.get(path).text
    refused(client.get('/gradio_api/proxy=https://example.org/'), 404, 'not a part')
    refused(client.get('/gradio_api/file=http://example.org/a.png'), 422, 'not that of an')
    refused(client.post('/gradio_api/run/predict', json={}), 404, 'not a part')


def test_the_page_loads_nothing_from_other_hosts(client):
    response = client.get('/')
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers['Content-Security-Policy']
    config = client.get('/config').text
    assert 'handwritten digits only' in json.dumps(json.loads(config))
