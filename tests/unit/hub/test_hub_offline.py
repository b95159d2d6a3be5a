"""The files in the cache of the hub when the hub is unavailable."""

import huggingface_hub
import pytest
from hub_server import CONTENT, DEFAULT, OLDER, REPOSITORY, get

from wrn.download import fetch, hugging_face
from wrn_base.errors import CheckpointError

# Offline. The cache knows only the commit of a branch at its last download.

ADDRESSES = [
    REPOSITORY,
    f'{REPOSITORY}/{DEFAULT}',
    f'{REPOSITORY}@v1',
    f'{REPOSITORY}/{DEFAULT}@v1',
]


@pytest.mark.parametrize('variable', ['WRN_OFFLINE', 'HF_HUB_OFFLINE'])
@pytest.mark.parametrize('address', ADDRESSES)
def test_offline(hub, commit, monkeypatch, address, variable):
    assert get(address) == CONTENT
    hub.requests.clear()
    monkeypatch.setenv(variable, '1')
    assert get(address) == CONTENT
    assert hub.requests == []


def test_offline_with_a_commit(hub, commit, monkeypatch):
    assert get(f'{REPOSITORY}@{commit}') == CONTENT
    hub.requests.clear()
    monkeypatch.setenv('WRN_OFFLINE', '1')
    assert get(f'{REPOSITORY}@{commit}') == CONTENT
    assert get(f'{REPOSITORY}/{DEFAULT}@{commit}') == CONTENT
    assert hub.requests == []


def test_offline_the_last_version_is_used(hub, monkeypatch):
    for content in (OLDER, CONTENT):
        hub.commit({DEFAULT: content})
        assert get() == content
    monkeypatch.setenv('WRN_OFFLINE', '1')
    assert get() == CONTENT


def test_offline_with_a_file_that_another_library_downloaded(hub, commit, monkeypatch):
    huggingface_hub.hf_hub_download('user/repo', DEFAULT)
    hub.requests.clear()
    monkeypatch.setenv('WRN_OFFLINE', '1')
    assert get() == CONTENT
    assert hub.requests == []


def test_offline_without_the_file(hub, commit, monkeypatch):
    get(f'{REPOSITORY}@v1')
    hub.requests.clear()
    monkeypatch.setenv('WRN_OFFLINE', '1')
    address = f'{REPOSITORY}/none.pth'
    with pytest.raises(CheckpointError) as error:
        get(address)
    assert str(error.value) == (
        'weights: not in the cache, and WRN_OFFLINE or HF_HUB_OFFLINE disables the download '
        f'from {address}; give the path of a file, or copy the cache of another machine to HF_HOME'
    )
    assert hub.requests == []


@pytest.mark.parametrize('address', ADDRESSES)
def test_the_cache_is_used_if_the_hub_is_unreachable(hub, commit, caplog, pauses, address):
    assert get(address) == CONTENT
    hub.stop()
    assert get(address) == CONTENT
    (record,) = [r for r in caplog.records if r.name == 'wrn']
    assert record.levelname == 'WARNING'
    assert record.getMessage().startswith(f'{address}: ')
    assert record.getMessage().endswith('; using the cached version')


@pytest.mark.parametrize('address', ADDRESSES)
@pytest.mark.parametrize('status', [500, 503])
def test_a_failing_hub_costs_seconds(hub, pauses, address, status):
    hub.status = status
    with pytest.raises(CheckpointError, match=f'{address}: .*{status}'):
        get(address)
    assert len(hub.requests) <= 2
    assert sum(pauses) <= 3


@pytest.mark.parametrize('address', ADDRESSES)
def test_an_unreachable_hub_costs_seconds(hub, pauses, address):
    hub.stop()
    with pytest.raises(CheckpointError, match=f'{address}: .*[Cc]onnection refused'):
        get(address)
    assert sum(pauses) <= 3


@pytest.mark.parametrize('address', ADDRESSES)
def test_an_unresponsive_hub_costs_seconds(hub, commit, monkeypatch, pauses, address):
    monkeypatch.setattr(hugging_face, '_TIMEOUT', 0.2)
    hub.slow = '/'
    with pytest.raises(CheckpointError, match=f'{address}: .*timed out'):
        get(address)
    assert len(hub.requests) <= 2
    assert not hub.timed_out


# Beside other URLs.


def test_the_hub_after_an_unreachable_url(hub, commit, dead, caplog):
    assert fetch([dead, REPOSITORY], 'weights').read_bytes() == CONTENT
    assert f'{dead}: cannot be reached (Connection refused); trying the next URL' in caplog.text


def test_all_urls_fail(hub, dead, pauses):
    hub.status = 503
    with pytest.raises(CheckpointError) as error:
        fetch([f'{REPOSITORY}/{DEFAULT}', dead], 'weights')
    assert f'{REPOSITORY}/{DEFAULT}: ' in str(error.value)
    assert '503' in str(error.value)
    assert f'{dead}: cannot be reached' in str(error.value)
    assert 'put weights.safetensors into ' in str(error.value)


@pytest.mark.parametrize('address', ADDRESSES)
def test_a_cached_file_is_used_before_another_url(hub, commit, dead, caplog, address):
    assert get(address) == CONTENT
    hub.requests.clear()
    assert fetch([dead, address], 'weights').read_bytes() == CONTENT
    assert fetch([address, dead], 'weights').read_bytes() == CONTENT
    assert hub.requests == []
    assert caplog.records == []
