"""Whatever a server answers, the error is one line, and the next URL is asked."""

import io
import ssl
import subprocess
import time

import pytest
from http_server import CONTENT, HASHLESS, HOSTILE, NAME, cut, hostile, once, whole
from PIL import Image

from wrn.checkpoints import read_checkpoint
from wrn.data import CheckedReading
from wrn.data.images import get_content, read, read_image
from wrn.download import connection, fetch, http, http_client
from wrn_base.errors import CheckpointError, DownloadError, ImageReadError

pytestmark = once
CASES = pytest.mark.parametrize(('answer', 'reason'), HOSTILE.values(), ids=HOSTILE)


@pytest.fixture(autouse=True)
def _limits(impatient, monkeypatch):
    monkeypatch.setattr(http, '_MAX_BYTES', 1 << 20)
    monkeypatch.setattr(read, '_URL_BYTES', 1 << 20)


@CASES
def test_weights_without_a_hash(server, cache, answer, reason):
    server.answers = [answer]
    with pytest.raises(
        CheckpointError, match=f'^weights: cannot be downloaded .*{reason}'
    ) as error:
        fetch([server.url(HASHLESS)], 'weights', check=read_checkpoint)
    assert str(error.value).isprintable()
    assert not list(cache.rglob(f'{HASHLESS}*'))


@CASES
def test_the_next_url_is_asked(server, answer, reason):
    server.answers = [lambda r: (answer if r.path.startswith(('/a/', '/x')) else whole)(r)]
    path = fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    assert path.read_bytes() == CONTENT


@CASES
def test_an_image(server, answer, reason):
    server.answers = [answer]
    url = server.url('x.png')
    with pytest.raises(ImageReadError, match=f'^{url}: .*{reason}') as error:
        read_image(url)
    assert str(error.value).isprintable()


@CASES
@pytest.mark.parametrize(
    'step',
    [dict(type='LoadImageFromFile'), dict(type='LoadRandomResizedCrop', scale=8)],
    ids=['load', 'crop'],
)
def test_an_image_of_an_annotation_file(server, answer, reason, step):
    server.answers = [answer]
    url = server.url('x.png')
    with pytest.raises(ImageReadError, match=f'^{url}: .*{reason}') as error:
        CheckedReading(step)(dict(img_path=url))
    assert str(error.value).isprintable()
    assert str(error.value).count(url) == 1
    assert server.paths.count('/x.png') == 1  # not a second time for the reason


@pytest.mark.filterwarnings('ignore:"file_client_args" will be deprecated:DeprecationWarning')
def test_an_image_by_the_older_arguments(server):
    server.answers = [HOSTILE['endless-body'][0]]
    step = dict(type='LoadImageFromFile', file_client_args=dict(backend='http'))
    with pytest.raises(ImageReadError, match='the server sends more bytes than allowed'):
        CheckedReading(step)(dict(img_path=server.url('x.png')))


def test_training_reads_images_by_url(server):
    content = io.BytesIO()
    Image.new('RGB', (5, 4), (10, 20, 30)).save(content, 'PNG')
    server.answers = [lambda request: request.send(content=content.getvalue())]
    pixels = CheckedReading(dict(type='LoadImageFromFile'))(dict(img_path=server.url('x.png')))
    assert pixels['img'].shape == (4, 5, 3)
    assert get_content(server.url('x.png').replace('http', 'HTTP')) == content.getvalue()


def test_an_image_that_is_cut_off(server):
    server.answers = [cut(1000)]
    with pytest.raises(ImageReadError, match='the connection ended 299000 bytes too early'):
        read_image(server.url('x.png'))


def test_an_image_has_a_time_limit(server, monkeypatch):
    """A steady rate alone does not end the request."""
    monkeypatch.setattr(connection, 'MIN_BYTES', 1)
    monkeypatch.setattr(read, '_URL_SECONDS', 0.5)
    server.answers = [hostile('200 OK', body=b'a', endless=True, pause=0.02)]
    start = time.monotonic()
    with pytest.raises(ImageReadError, match=r'not received within 0\.5 s'):
        read_image(server.url('x.png'))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize('last', ['redirect', 'headers', 'body'])
def test_redirects_count_for_the_time_limit(server, monkeypatch, last):
    monkeypatch.setattr(connection, 'TIMEOUT', 0.6)
    monkeypatch.setattr(connection, 'MIN_BYTES', 1)
    monkeypatch.setattr(read, '_URL_SECONDS', 0.8)

    def answer(request):
        number = int(request.path.strip('/'))
        if number < 3 or last == 'redirect':
            request.server.go.wait(0.2)
            hostile('302 x', f'Location: /{number + 1}')(request)
        elif last == 'headers':
            request.server.stall()
        else:
            hostile('200 OK', body=b'a', endless=True, pause=0.02)(request)

    server.answers = [answer]
    start = time.monotonic()
    with pytest.raises(ImageReadError, match=r'not received within 0\.8 s'):
        read_image(server.url('0'))
    assert time.monotonic() - start < 5
    assert len(server.paths) > 2


def test_repeated_progress_is_none(server, monkeypatch):
    """A server that sends the same part again and again, and forgets it in between."""

    def forgetful(request):
        if request.headers['Range']:
            request.begin(206, Content_Range=f'bytes 7-9/{len(CONTENT)}', Content_Length=0)
        else:
            request.send(upto=100_000)

    monkeypatch.setattr(http, '_MIN_PROGRESS', 50_000)
    server.answers = [forgetful]
    with pytest.raises(CheckpointError, match='3 times in a row'):
        fetch([server.url()], 'weights')
    assert len(server.requests) < 7


def test_a_partial_file_above_the_limit_is_not_kept(server, partial, monkeypatch):
    partial.write_bytes(bytes(2 << 20))
    server.answers = [hostile('206 x', f'Content-Range: bytes {2 << 20}-/*', 'Content-Length: 9')]
    with pytest.raises(CheckpointError, match='the server sends more than the 0 bytes allowed'):
        fetch([server.url()], 'weights')
    server.answers = [whole]
    assert fetch([server.url()], 'weights').read_bytes() == CONTENT


def test_a_file_of_unknown_size(server, cache, monkeypatch):
    monkeypatch.setattr(http, '_MAX_UNANNOUNCED', 1 << 18)
    server.answers = [HOSTILE['endless-body'][0]]
    with pytest.raises(CheckpointError, match='the server sends more than 262144 bytes'):
        fetch([server.url(HASHLESS)], 'weights')
    assert not list(cache.rglob(f'{HASHLESS}*'))


def test_a_password_in_a_url(server):
    server.answers = [whole]
    assert http_client.get(server.url().replace('//', '//me:p%40ss@'), 1 << 20, 5) == CONTENT
    assert server.requests[-1][1]['Authorization'] == 'Basic bWU6cEBzcw=='


def test_a_password_in_a_redirect(server):
    place = server.url('new').replace('//', '//me:p%40ss@')
    server.answers = [hostile('302 x', f'Location: {place}'), hostile('302 x', 'Location: /newer')]
    server.answers.append(whole)
    assert http_client.get(server.url('old'), 1 << 20, 5) == CONTENT
    sent = [headers['Authorization'] for _, headers in server.requests]
    assert sent == [None, 'Basic bWU6cEBzcw==', None]


def test_a_password_in_a_redirect_to_nowhere_is_not_shown(server, dead_host):
    for host in (dead_host.partition('//')[2], 'host.invalid', '[::1', 'host:port'):
        server.answers = [hostile('302 x', f'Location: http://me:secret@{host}/x')]
        with pytest.raises(ImageReadError) as error:
            read_image(server.url('x.png'))
        assert 'secret' not in str(error.value)


@pytest.mark.parametrize('allowed', [True, False])
def test_a_redirect_to_plain_http(server, allowed):
    redirects = http_client._Redirects(allow_downgrade=allowed)
    request = http_client._request('https://host.invalid/x', {})
    arguments = request, io.BytesIO(), 302, '', {}, 'http://host.invalid/x'
    if allowed:
        assert redirects.redirect_request(*arguments).full_url == 'http://host.invalid/x'
    else:
        with pytest.raises(DownloadError, match='from HTTPS to plain HTTP'):
            redirects.redirect_request(*arguments)


def test_https(server, tmp_path, monkeypatch):
    """The certificate is verified, and the limits hold."""
    key, certificate = tmp_path / 'key.pem', tmp_path / 'certificate.pem'
    command = (
        'openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -addext subjectAltName=IP:127.0.0.1'
    )
    subprocess.run([*command.split(), '-keyout', key, '-out', certificate], check=True, stderr=-3)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url().replace('http:', 'https:')
    with pytest.raises(DownloadError, match=r'TLS connection failed .*CERTIFICATE_VERIFY_FAILED'):
        http_client.get(url, 1 << 20, 5)
    monkeypatch.setenv('SSL_CERT_FILE', str(certificate))
    assert http_client.get(url, 1 << 20, 5) == CONTENT
    server.answers = [HOSTILE['dripping-header'][0]]
    with pytest.raises(DownloadError, match='did not answer within'):
        http_client.get(url, 1 << 20, 5)
