"""The HTTP interface of the application: its results."""

import base64
import io
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from app_client import NAME, Counting, digits_client, encoded, post, refused
from PIL import Image
from starlette.testclient import TestClient

import wrn
from wrn.app import RequestLimits, make_app
from wrn.app.classification import Classification, Question
from wrn.data.images import EncodedImage, read_image
from wrn.inference import Predictor
from wrn.inference.explanations import Explainer
from wrn.inference.heat_map import overlay
from wrn_base.errors import WrnError

DEMO = ('digit_3.png', 'digit_7.png')


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


def test_the_answer_in_the_docs_is_the_one_that_is_sent(client, checkout):
    docs = (checkout / 'docs' / 'app.md').read_text()
    shown = json.loads(docs.partition('```json\n')[2].partition('```')[0])
    sent = post(client, (checkout / 'demo' / DEMO[1]).read_bytes(), topk=2).json()
    for prediction in shown['results'][0]['predictions']:
        prediction['pred_score'] = pytest.approx(prediction['pred_score'], rel=0.01)
    assert shown == sent


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


def test_hostile_file_names_are_texts(client):
    names = ['<script>alert(1)</script>', 'a' * 400, '\u202egnp.exe', "'; DROP", '../../etc/passwd']
    files = [('f', (name, b'no')) for name in names] + [('f', ('good', encoded()))]
    results = client.post('/api/predict', files=files).json()['results']
    assert [len(result['file']) <= 300 for result in results] == [True] * 6
    assert '\u202e' not in results[2]['error']
    assert all(result['status'] == 415 for result in results[:-1])


@pytest.mark.parametrize(
    ('format', 'runtime'), {'onnx': 'onnxruntime', 'openvino': 'openvino'}.items()
)
def test_an_exported_file_says_its_runtime_and_why_it_has_no_heat_maps(
    format, runtime, exported_digits
):
    pytest.importorskip(runtime)
    model = wrn.get_model(str(exported_digits(format)), True)
    defaults = dict(backend='eager', precision='float64')  # of options, which do not apply to it
    for facts in (None, defaults):
        with digits_client(model, facts=facts) as client:
            about = client.get('/api/model').json()
            assert (about['backend'], about['precision']) == (runtime, 'float32')
            assert 'frozen graph' in about['heatmaps']
    with digits_client(model) as client:
        assert post(client, encoded()).status_code == 200
        refused(post(client, encoded(), heatmap=True), 422, 'frozen graph')


def test_names_that_are_not_utf_8(checkout):
    """Folders of classes may have any bytes, and a client may name a file by any."""
    model = wrn.get_model(NAME, True)
    names = [os.fsdecode(b'caf\xe9'), *'123456', 'caf\u00e9', '8', '\U0001f600']
    model._dataset_meta = dict(classes=names)
    content = (checkout / 'demo' / DEMO[1]).read_bytes()
    with TestClient(make_app(model, os.fsdecode(b'\xff')), 'http://localhost') as client:
        body = client.get('/api/model')
        assert body.content.isascii()
        assert body.json()['classes'] == names
        predictions = post(client, content, topk=10).json()['results'][0]['predictions']
        assert {prediction['pred_class'] for prediction in predictions} == set(names)
        form = b'--b\r\nContent-Disposition: form-data; name="f"; filename="\xff\xfe.png"\r\n\r\n'
        kind = 'multipart/form-data; boundary=b'
        (result,) = post(client, form + content + b'\r\n--b--\r\n', kind).json()['results']
        assert result['file'].endswith('.png')
        assert client.get('/').status_code == client.get('/config').status_code == 200


def test_the_page_loads_nothing_from_other_hosts(client):
    response = client.get('/')
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers['Content-Security-Policy']
    config = client.get('/config').text
    assert 'handwritten digits only' in json.dumps(json.loads(config))
