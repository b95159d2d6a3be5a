"""A local hub instead of the real one."""

import huggingface_hub
import pytest
import torch
from hub_server import CONTENT, DEFAULT, Hub
from huggingface_hub import constants, hf_api


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    for name in ('WRN_OFFLINE', 'HF_HUB_OFFLINE', 'WRN_URL_MAPPING'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'torch'))
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_IMPLICIT_TOKEN', True)
    huggingface_hub.close_session()
    hub = Hub()
    template = '/{repo_id}/resolve/{revision}/{filename}'
    monkeypatch.setattr(constants, 'ENDPOINT', hub.endpoint)
    monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', hub.endpoint + template)
    monkeypatch.setattr(hf_api.api, 'endpoint', hub.endpoint)
    yield hub
    hub.stop()
    assert hub.errors == []


@pytest.fixture
def pauses(monkeypatch):
    """The pauses between retries, which are recorded and skipped."""
    pauses = []
    monkeypatch.setattr('time.sleep', pauses.append)
    return pauses


@pytest.fixture
def dead(dead_host):
    return f'{dead_host}/weights.safetensors'


@pytest.fixture
def commit(hub):
    """The commit that contains the files of ``ADDRESSES``."""
    hub.commit({DEFAULT: CONTENT}, revision='v1')
    return hub.commit({DEFAULT: CONTENT})
