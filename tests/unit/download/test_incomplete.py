"""Incomplete files of earlier downloads, and files without a hash in their name."""

import pytest
from http_server import (
    CONTENT,
    HASHLESS,
    NEW,
    OLD,
    SIZE,
    cut,
    get,
    no_ranges,
    other_range,
    reset,
    stalling,
    status,
    too_short,
    unsatisfiable,
    web_page,
    whole,
)

from wrn_base.errors import CheckpointError

# An incomplete file of an earlier download.


def test_a_partial_file_is_resumed(server, partial):
    partial.write_bytes(CONTENT[:120_000])
    assert get(server) == CONTENT
    assert server.ranges == ['bytes=120000-']
    assert not partial.exists()


def test_a_partial_file_that_is_complete(server, partial):
    partial.write_bytes(CONTENT)
    assert get(server) == CONTENT
    assert server.ranges == [f'bytes={SIZE}-']


@pytest.mark.parametrize('size', [1, 120_000, SIZE, SIZE + 1000])
@pytest.mark.parametrize('answer', [whole, no_ranges, unsatisfiable])
def test_a_partial_file_with_other_content(server, partial, answer, size):
    partial.write_bytes(b'\7' * size)
    server.answers = [answer]
    assert get(server) == CONTENT
    assert server.ranges[0] == f'bytes={size}-'


@pytest.mark.parametrize('answer', [no_ranges, unsatisfiable, other_range])
def test_a_server_without_ranges(server, partial, answer):
    partial.write_bytes(CONTENT[:120_000])
    server.answers = [answer]
    assert get(server) == CONTENT
    assert server.ranges[0] == 'bytes=120000-'


@pytest.mark.parametrize(
    'answer', [web_page, status(404), status(503), reset()], ids=['page', '404', '503', 'reset']
)
def test_a_partial_file_survives_an_error(server, partial, answer):
    partial.write_bytes(CONTENT[:120_000])
    server.answers = [answer]
    with pytest.raises(CheckpointError):
        get(server)
    assert partial.read_bytes() == CONTENT[:120_000]
    server.answers = [whole]
    assert get(server) == CONTENT
    assert server.ranges[-1] == 'bytes=120000-'


# Files without a hash in their name.


def test_a_truncated_file_without_hash_is_resumed(server):
    server.content = NEW
    server.answers = [cut(100_000), whole]
    assert get(server, HASHLESS) == NEW
    assert server.ranges == [None, 'bytes=100000-']
    assert server.requests[1][1]['If-Range'] == server.etag


@pytest.mark.parametrize(
    'answer',
    [cut(1000), too_short, web_page, whole],
    ids=['cut', 'too-short', 'page', 'no-weights'],
)
def test_a_wrong_file_without_hash(server, cache, answer):
    server.answers = [answer]
    with pytest.raises(CheckpointError, match='cannot be downloaded'):
        get(server, HASHLESS)
    assert list(cache.rglob(HASHLESS)) == []
    server.content, server.answers = NEW, [whole]
    assert get(server, HASHLESS) == NEW


@pytest.mark.parametrize('if_range', [True, False], ids=['if-range', 'no-if-range'])
def test_two_versions_are_not_joined(server, if_range):
    """Not even if the server ignores ``If-Range``; its ETag differs then."""

    def newer(request):
        server.content, server.etag = NEW, '"2"'
        request.send(if_range=if_range)

    server.content = OLD
    server.answers = [cut(100_000), newer]
    assert get(server, HASHLESS) == NEW


def test_a_partial_file_without_hash_is_not_resumed(server, impatient):
    """Not even if the server sends the ETag of its version before the connection stalls."""
    server.content = OLD
    server.answers = [cut(1000)]
    with pytest.raises(CheckpointError):
        get(server, HASHLESS)
    server.content, server.etag = NEW, '"2"'
    server.answers = [stalling(0), whole]
    assert get(server, HASHLESS) == NEW
