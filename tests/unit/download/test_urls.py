"""Several URLs, no network, and mirrors."""

from pathlib import Path

import pytest
from http_server import (
    CONTENT,
    DIGITS,
    NAME,
    WRONG_HASH,
    cut,
    flipped,
    get,
    once,
    reset,
    stalling,
    status,
    too_short,
    web_page,
    whole,
)

import wrn
from wrn.download import fetch
from wrn_base.errors import CheckpointError, WrnError

# Several URLs.


def test_a_missing_file_comes_from_the_next_url_at_once(server):
    server.answers = [status(404), whole]
    path = fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    assert path.read_bytes() == CONTENT
    assert server.paths == [f'/a/{NAME}', f'/b/{NAME}']


@once
@pytest.mark.parametrize(
    'answer',
    [cut(1000), stalling(1000), reset(1000), too_short, flipped(), web_page, status(500)],
    ids=['cut', 'stalled', 'reset', 'too-short', 'flipped', 'page', '500'],
)
def test_the_next_url_after_a_failure(server, impatient, answer):
    def by_path(request):
        (answer if request.path.startswith('/a/') else whole)(request)

    server.answers = [by_path]
    path = fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    assert path.read_bytes() == CONTENT
    assert server.paths[-1] == f'/b/{NAME}'


@once
def test_an_unreachable_url_is_logged(server, dead, caplog):
    assert fetch([dead, server.url()], 'weights').read_bytes() == CONTENT
    (record,) = [r for r in caplog.records if r.name == 'wrn']
    assert record.levelname == 'WARNING'
    assert record.getMessage().startswith(f'{dead}: cannot be reached (Connection refused)')


@once
def test_all_urls_fail(server, dead, cache):
    server.answers = [status(404)]
    unresolvable = f'https://weights.invalid/{NAME}'
    with pytest.raises(CheckpointError) as error:
        fetch([dead, unresolvable, server.url()], 'the weights')
    message = str(error.value)
    assert message.startswith('the weights: cannot be downloaded (')
    assert f'{dead}: cannot be reached (Connection refused)' in message
    assert f'{unresolvable}: cannot resolve the host name (DNS: ' in message
    assert f'{server.url()}: the server answered 404 Not Found' in message
    assert message.endswith(f'put {NAME} into {cache}, or give the path of a file')
    assert '\n' not in message


def test_a_url_that_is_its_own_name_is_reported_once(dead):
    with pytest.raises(CheckpointError) as error:
        fetch([dead], dead)
    assert str(error.value).startswith(f'{dead}: cannot be downloaded (cannot be reached (')
    assert str(error.value).count(dead) == 1


@once
@pytest.mark.parametrize('position', [0, 1])
def test_a_cached_file_of_any_url_is_used(server, dead, position):
    other = server.url(NAME.replace('weights', 'others'))
    path = fetch([other], 'weights')
    server.requests.clear()
    urls = [server.url()]
    urls.insert(position, other)
    assert fetch(urls, 'weights') == path
    assert server.requests == []


# Without a network.


@once
@pytest.mark.parametrize('variable', ['WRN_OFFLINE', 'HF_HUB_OFFLINE'])
def test_offline(server, cache, monkeypatch, variable):
    monkeypatch.setenv(variable, '1')
    with pytest.raises(CheckpointError) as error:
        get(server)
    assert 'not in the cache, and WRN_OFFLINE or HF_HUB_OFFLINE disables the download' in str(
        error.value
    )
    assert server.url() in str(error.value)
    assert f'put {NAME} into {cache}' in str(error.value)
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(CONTENT)
    assert get(server) == CONTENT
    assert server.requests == []


@once
def test_not_offline(server, monkeypatch):
    monkeypatch.setenv('WRN_OFFLINE', '0')
    assert get(server) == CONTENT


# Mirrors.

FORGE = f'https://forge.invalid/wrn/{NAME}'


@once
def test_a_mirror(server):
    mapping = ('https://forge.invalid', server.url('mirror'))
    assert fetch([FORGE], 'weights', mapping).read_bytes() == CONTENT
    assert server.paths == [f'/mirror/wrn/{NAME}']


@once
def test_a_mirror_from_the_environment(server, monkeypatch):
    monkeypatch.setenv('WRN_URL_MAPPING', f'https://forge.invalid {server.url("mirror")}')
    assert fetch([FORGE], 'weights').read_bytes() == CONTENT
    assert server.paths == [f'/mirror/wrn/{NAME}']


@once
def test_a_file_from_a_mirror_is_verified(server, cache):
    """The original URL determines name and hash, whatever the mirror calls the file."""
    server.answers = [flipped()]
    mapping = (FORGE, server.url('other.pth'))
    with pytest.raises(CheckpointError, match=WRONG_HASH):
        fetch([FORGE], 'weights', mapping)
    server.answers = [whole]
    assert fetch([FORGE], 'weights', mapping) == cache / NAME


@once
def test_an_argument_overrides_the_environment(server, dead, monkeypatch):
    monkeypatch.setenv('WRN_URL_MAPPING', f'https://forge.invalid {dead}')
    mapping = ('https://forge.invalid', server.url('mirror'))
    assert fetch([FORGE], 'weights', mapping).read_bytes() == CONTENT


@once
def test_a_mirror_in_get_model(server, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    url = f'https://forge.invalid/{Path(digits_weights).name}'
    wrn.get_model(DIGITS, url, url_mapping=('https://forge.invalid', server.url('mirror')))
    assert server.paths == [f'/mirror/{Path(digits_weights).name}']


@once
def test_an_argument_of_get_model_overrides_the_environment(server, digits_weights, monkeypatch):
    """The URL is mapped only once."""
    server.content = Path(digits_weights).read_bytes()
    monkeypatch.setenv('WRN_URL_MAPPING', 'mirror elsewhere')
    url = f'https://forge.invalid/{Path(digits_weights).name}'
    wrn.get_model(DIGITS, url, url_mapping=('https://forge.invalid', server.url('mirror')))
    assert server.paths == [f'/mirror/{Path(digits_weights).name}']


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        ('https://forge.invalid', "WRN_URL_MAPPING 'https://forge.invalid': not a pattern and its"),
        ('a b c', "WRN_URL_MAPPING 'a b c': not a pattern and its"),
        ('(https https://mirror', r'not a pattern and its replacement \(.*unterminated'),
        (r'https \1', r'not a pattern and its replacement \(.*group'),
    ],
)
def test_a_malformed_mapping_from_the_environment(dead, monkeypatch, words, reason):
    monkeypatch.setenv('WRN_URL_MAPPING', words)
    with pytest.raises(WrnError, match=reason):
        fetch([FORGE], 'weights')


@pytest.mark.parametrize('mapping', [('(', ''), ('https',), ('https', 'a', 'b'), 'https', 1])
def test_a_malformed_mapping(mapping):
    with pytest.raises(WrnError, match=r'url_mapping .*: not a pattern and its replacement'):
        fetch([FORGE], 'weights', mapping)
