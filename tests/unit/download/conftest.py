"""A misbehaving server, an empty cache, and no pauses."""

import urllib.request

import pytest
import torch
from http_server import NAME, Server

from wrn.download import connection, http


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder, without the user's environment and without pauses."""
    for name in ('WRN_OFFLINE', 'HF_HUB_OFFLINE', 'WRN_URL_MAPPING', 'TORCH_HUB', 'COLUMNS'):
        monkeypatch.delenv(name, raising=False)
    for name in urllib.request.getproxies_environment():
        monkeypatch.delenv(f'{name}_proxy', raising=False)
        monkeypatch.delenv(f'{name}_proxy'.upper(), raising=False)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(torch.hub, '_hub_dir', None)
    monkeypatch.setattr(http, '_PAUSE', 0.01)
    return tmp_path / 'home' / 'hub' / 'checkpoints'


@pytest.fixture(params=['HTTP/1.0', 'HTTP/1.1'])
def server(request, cache, serving):
    with serving(Server(request.param, cache)) as server:
        yield server
        server.go.set()
    assert server.errors == []


@pytest.fixture
def dead(dead_host):
    return f'{dead_host}/{NAME}'


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(connection, 'TIMEOUT', 0.5)


@pytest.fixture
def partial(cache):
    """The path of an incomplete download, in an existing folder."""
    cache.mkdir(parents=True)
    return cache / f'{NAME}.partial'
