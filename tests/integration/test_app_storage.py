"""Images of the HTTP interface stay in memory, and a full disk is one sentence."""

import errno
import json
import os
import socket
import tempfile

import pytest
from app_client import JSON, digits_app, digits_client, encoded, refused, serving_app

from wrn.app import RequestLimits

UPLOAD = '/gradio_api/upload'


@pytest.fixture
def client():
    with digits_client() as client:
        yield client


@pytest.fixture
def full_disk(monkeypatch):
    """Let no file be written to, as on a full disk."""

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill():
        monkeypatch.setattr(tempfile._TemporaryFileWrapper, 'write', fail, raising=False)
        monkeypatch.setattr(tempfile.SpooledTemporaryFile, 'rollover', fail)

    return fill


def uploads():
    folder = os.environ['GRADIO_TEMP_DIR']
    return [name for _, _, names in os.walk(folder) for name in names]


def test_forms_are_read_without_the_disk(client, full_disk):
    full_disk()
    image = encoded((900, 900), format='BMP')
    assert len(image) > 2_000_000  # starlette would write more than 1 MB to a file
    files = [('f', ('a.bmp', image)), ('f', ('b.bmp', image))]
    assert client.post('/api/predict', files=files).status_code == 200


def test_a_full_disk_is_one_sentence_and_leaves_no_part(client, full_disk):
    files = [('files', ('a.png', encoded()))]
    (kept,) = client.post(UPLOAD, files=files).json()
    assert os.path.exists(kept)
    full_disk()
    error = refused(client.post(UPLOAD, files=files), 507)
    assert error == 'the image cannot be stored (No space left on device); drop it again later'
    assert uploads() == ['a.png']  # the one before


def test_an_upload_that_does_not_end_is_refused():
    head = (
        f'POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n'
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n'
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\npart'
    )
    with serving_app(digits_app(limits=RequestLimits(seconds=0.5))) as address:
        with socket.create_connection(address, 30) as connection:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b'HTTP/1.1 408 ')
        assert uploads() == []


def test_a_long_file_name_is_refused_by_its_limit(client):
    response = client.post('/api/predict', files=[('f', ('a' * 5000, encoded()))])
    refused(response, 400, 'more than 4224 bytes; send a shorter file name')


def test_an_image_of_too_many_bytes(client):
    large = bytes(10_000_001)
    headers = {'Content-Type': 'image/png'}
    error = refused(client.post('/api/predict', content=large, headers=headers), 413)
    assert error == 'the image has more than 10 MB; make the image smaller'


FILE = {'path': 'x', 'meta': {'_type': 'gradio.FileData'}}
EVENTS = {
    'unknown': dict(fn_index=99, data=[None]),
    'not a number': dict(fn_index='1', data=[None]),
    'none': {},
    'list': [1, 2],
    'number of inputs': dict(fn_index='one', data=[None]),
    'slider': dict(fn_index='one', data=[None, False, 7]),
    'text in the slider': dict(fn_index='one', data=[None, False, 'a']),
    'not a number in the slider': dict(fn_index='one', data=[None, False, float('nan')]),
    'checkbox': dict(fn_index='one', data=[None, 1, 0.5]),
    'number in place of a file': dict(fn_index='one', data=[3, False, 0.5]),
    'text in place of files': dict(fn_index='several', data=['a']),
    'name of a file': dict(fn_index='several', data=[[FILE | dict(orig_name=3)]]),
}


@pytest.fixture(scope='module')
def page():
    with digits_client() as client:
        yield client


@pytest.mark.parametrize('name', EVENTS)
def test_events_that_the_page_does_not_send(name, page, capfd):
    body = EVENTS[name]
    events = page.app.state.events
    if isinstance(body, dict) and body.get('fn_index') in ('one', 'several'):
        inputs = {'one': 3, 'several': 1}[body['fn_index']]
        event = next(key for key, number in events.items() if number == inputs)
        body = body | dict(fn_index=event, session_hash='a')
    content = json.dumps(body)
    refused(page.post('/gradio_api/queue/join', content=content, headers=JSON), 422)
    assert capfd.readouterr().err == ''


def test_a_stream_of_an_unknown_session_ends(page, capfd):
    """A page asks for that of a session of the last server. Gradio would print a traceback."""
    response = page.get('/gradio_api/queue/data', params=dict(session_hash='b'))
    assert response.status_code == 200
    assert '"session_not_found":true' in response.text
    assert capfd.readouterr().err == ''


def test_other_sites_get_no_permission(page):
    """Gradio would grant it, with credentials."""
    origin = {'Origin': 'http://localhost:1', 'Access-Control-Request-Method': 'POST'}
    for path in ('/', '/config', UPLOAD, '/gradio_api/queue/join', '/api/predict'):
        response = page.options(path, headers=origin | {'Content-Length': '0'})
        assert response.status_code == 405
        for answer in (response, page.get(path, headers=origin)):
            assert not any(key.startswith('access-control') for key in answer.headers)
