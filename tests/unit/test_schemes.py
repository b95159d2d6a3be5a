"""Weights from a URL, fetched from a real server on loopback."""

import hashlib
from pathlib import Path

import pytest
import torch

import wrn
from wrn.errors import CheckpointError

DIGITS = 'wide-resnet18_1xb64_digits'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    return tmp_path / 'hub' / 'checkpoints'


def test_download_and_cache(server, cache, digits_weights):
    name = Path(digits_weights).name
    (server.folder / name).write_bytes(Path(digits_weights).read_bytes())
    for _ in range(2):
        model = wrn.get_model(DIGITS, pretrained=server.url(name))
    assert server.requests == [(f'/{name}', 200)]
    expected = wrn.get_model(DIGITS, pretrained=True).backbone.conv1.weight
    assert torch.equal(model.backbone.conv1.weight, expected)
    assert [p.name for p in cache.iterdir()] == [name]


def test_a_flipped_byte_is_noticed(server, cache, digits_weights):
    name = Path(digits_weights).name
    content = bytearray(Path(digits_weights).read_bytes())
    content[-1] ^= 1
    (server.folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match='hash'):
        wrn.get_model(DIGITS, pretrained=server.url(name))
    assert list(cache.iterdir()) == []


def test_an_error_of_the_server(server, cache):
    with pytest.raises(CheckpointError, match='404') as error:
        wrn.get_model(DIGITS, pretrained=server.url('none.pth'))
    assert server.url('none.pth') in str(error.value)
    assert str(cache / 'none.pth') in str(error.value)  # where to put the file by hand


def test_no_server(cache):
    with pytest.raises(CheckpointError, match='the download failed'):
        wrn.get_model(DIGITS, pretrained='http://127.0.0.1:9/w.pth')


def test_a_web_page_in_place_of_weights(server, cache):
    (server.folder / 'w.pth').write_text('<!DOCTYPE html><title>Log in</title>')
    with pytest.raises(CheckpointError, match='is a web page'):
        wrn.get_model(DIGITS, pretrained=server.url('w.pth'))


def test_a_query_is_not_part_of_the_name(server, cache, digits_weights):
    content = Path(digits_weights).read_bytes()
    name = f'w-{hashlib.sha256(content).hexdigest()[:8]}.safetensors'
    (server.folder / name).write_bytes(content)
    wrn.get_model(DIGITS, pretrained=server.url(f'{name}?download=1'))
    assert [p.name for p in cache.iterdir()] == [name]
