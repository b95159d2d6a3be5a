"""Downloads from one URL of a misbehaving server."""

import re

import pytest
from http_server import (
    CONTENT,
    NAME,
    SIZE,
    WRONG_HASH,
    announcing,
    cut,
    flipped,
    get,
    no_length,
    reset,
    silent,
    stalling,
    status,
    too_long,
    too_short,
    trickling,
    web_page,
    whole,
)

from wrn.download import fetch, http
from wrn_base.errors import CheckpointError, WrnError

# Temporary failures.


def test_a_correct_server(server, cache):
    assert fetch([server.url()], 'weights') == cache / NAME
    assert (cache / NAME).read_bytes() == CONTENT
    assert get(server) == CONTENT
    assert server.ranges == [None]


def test_a_truncated_body_is_resumed(server):
    server.answers = [cut(100_000), cut(50_000), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, 'bytes=100000-', 'bytes=150000-']


def test_a_stalled_body_is_resumed(server, impatient):
    server.answers = [stalling(100_000), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, 'bytes=100000-']


def test_a_slow_body_is_resumed(server, impatient):
    server.answers = [trickling, whole]
    assert get(server) == CONTENT
    assert re.fullmatch(r'bytes=\d{1,2}-', server.ranges[1])
    assert len(server.ranges) == 2


@pytest.mark.parametrize('after', [None, 100_000])
def test_a_reset_connection(server, after):
    server.answers = [reset(after), whole]
    assert get(server) == CONTENT
    assert len(server.requests) == 2


def test_a_body_without_length(server):
    server.answers = [no_length()]
    assert get(server) == CONTENT
    assert len(server.requests) == 1


def test_a_truncated_body_without_length(server):
    server.answers = [no_length(upto=100_000), whole]
    assert get(server) == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize('length', ['many', '-1', '', '\xb2'])
def test_an_invalid_length(server, length):
    server.answers = [announcing(length)]
    assert get(server) == CONTENT


@pytest.mark.parametrize('answer', [too_long, too_short])
def test_a_wrong_length(server, answer):
    server.answers = [answer, whole]
    assert get(server) == CONTENT


def test_a_flipped_byte(server):
    server.answers = [flipped(), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, None]


def test_a_flipped_byte_in_a_resumed_part(server):
    server.answers = [flipped(upto=100_000), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, 'bytes=100000-', None]


def test_a_busy_server(server):
    server.answers = [status(503), status(503), whole]
    assert get(server) == CONTENT
    assert len(server.requests) == 3


def test_a_redirected_download_is_resumed(server):
    """GitHub redirects downloads of releases."""

    def elsewhere(request):
        request.begin(302, Location=f'/elsewhere/{NAME}', Content_Length=0)

    server.answers = [elsewhere, cut(100_000), elsewhere, whole]
    assert get(server) == CONTENT
    assert server.paths == [f'/{NAME}', f'/elsewhere/{NAME}'] * 2
    assert server.ranges[-1] == 'bytes=100000-'


def test_retries_are_unlimited_while_there_is_progress(server, monkeypatch):
    monkeypatch.setattr(http, '_MIN_PROGRESS', 50_000)
    server.answers = [cut(50_000)]
    assert get(server) == CONTENT
    assert len(server.requests) == SIZE // 50_000


# Permanent failures.


LOST = 'the connection was lost.*, 3 times'


@pytest.mark.parametrize(
    ('answer', 'reason', 'requests'),
    [
        pytest.param(cut(0), rf'ended after \d+ of {SIZE} bytes, 3 times', 3, id='cut-at-once'),
        pytest.param(cut(1000), rf'ended after \d000 of {SIZE} bytes, 3 times', 3, id='cut'),
        pytest.param(
            stalling(1000), r'received only \d+ bytes in 0\.5 s, 3 times', 3, id='stalled'
        ),
        pytest.param(silent, r'the server did not answer within 0\.5 s', 1, id='silent'),
        pytest.param(trickling, r'received only \d+ bytes in 0\.5 s, 3 times', 3, id='trickling'),
        pytest.param(reset(), LOST, 3, id='reset-at-once'),
        pytest.param(reset(1000), LOST, 3, id='reset'),
        pytest.param(no_length(1000), f'{WRONG_HASH}|{LOST}', None, id='no-length'),
        pytest.param(
            too_long,
            f'ended after {SIZE} of {SIZE + 10} bytes, 3 times',
            3,
            id='too-long',
        ),
        pytest.param(too_short, WRONG_HASH, 2, id='too-short'),
        pytest.param(flipped(), WRONG_HASH, 2, id='flipped'),
        pytest.param(web_page, 'sent a web page instead of the file', 1, id='page'),
        pytest.param(status(403), 'the server answered 403 Forbidden', 1, id='403'),
        pytest.param(status(404), 'the server answered 404 Not Found', 1, id='404'),
        pytest.param(status(503), 'answered 503 Service Unavailable, 3 times', 3, id='503'),
    ],
)
def test_a_permanent_failure(server, cache, impatient, answer, reason, requests):
    server.answers = [answer]
    for _ in range(2):  # the second time it resumes
        server.requests.clear()
        with pytest.raises(CheckpointError, match=reason):
            get(server)
        assert requests in (None, len(server.requests))
        assert not (cache / NAME).exists()
    server.answers = [whole]
    assert get(server) == CONTENT


def test_the_error_of_a_truncated_body(server, cache):
    server.answers = [cut(1000)]
    with pytest.raises(CheckpointError) as error:
        get(server)
    assert str(error.value) == (
        f'weights: cannot be downloaded ({server.url()}: the connection ended after 3000 of '
        f'{SIZE} bytes, 3 times in a row); put {NAME} into {cache}, or give the path of a file'
    )


@pytest.mark.parametrize('address', ['http://[::1', 'http://127.0.0.1:x', 'http://127.0.0.1/a b'])
def test_a_malformed_url(address):
    with pytest.raises(WrnError) as error:
        fetch([f'{address}/{NAME}'], 'weights')
    assert f'{address}/{NAME}' in str(error.value)
    assert '3 times' not in str(error.value)  # no retries
