"""Weights from a local HTTP server, and from the other schemes of mmengine."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.runner import CheckpointLoader

import wrn
from wrn.checkpoints import schemes
from wrn.config.config_file import HIDDEN_CONFIG
from wrn_base.errors import CheckpointError

DIGITS = 'wide-resnet16-2_1xb64_digits'


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
    assert (cache / name).is_file()


def test_files_of_the_same_name_from_two_folders(server, cache):
    for folder in ('a', 'b'):
        (server.folder / folder).mkdir()
        model = wrn.get_model(DIGITS)
        model.head.fc.bias.data.fill_(ord(folder))
        torch.save(model.state_dict(), server.folder / folder / 'epoch_1.pth')
    for folder in ('a', 'b', 'a'):
        model = wrn.get_model(DIGITS, pretrained=server.url(f'{folder}/epoch_1.pth'))
        assert model.head.fc.bias[0] == ord(folder)


def test_a_file_in_the_cache_is_verified(server, cache, digits_weights):
    cache.mkdir(parents=True)
    (cache / 'w-12345678.safetensors').write_bytes(Path(digits_weights).read_bytes())
    with pytest.raises(CheckpointError, match=r'wrong SHA-256 \(expected 12345678'):
        wrn.get_model(DIGITS, pretrained=server.url('w-12345678.safetensors'))


def test_a_missing_file_is_an_error_that_code_around_mmengine_catches(tmp_path):
    """mmpretrain's own tests expect an OSError."""
    with pytest.raises(OSError, match='the checkpoint does not exist') as caught:
        CheckpointLoader.load_checkpoint(str(tmp_path / 'none.pth'))
    assert isinstance(caught.value, CheckpointError)


@pytest.fixture
def evil(server, cache, monkeypatch, tmp_path, calls):
    """The URL of weights that try to run a command."""
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=calls(os.system, 'touch hacked')), server.folder / 'evil.pth')
    yield server.url('evil.pth')
    assert not (tmp_path / 'hacked').exists()


def test_code_from_a_url_is_refused(evil):
    with pytest.raises(CheckpointError, match='refused'):
        CheckpointLoader.load_checkpoint(evil)


@pytest.mark.parametrize(
    ('scheme', 'table'),
    [
        ('torchvision', 'torchvision'),
        ('modelzoo', 'torchvision'),
        ('open-mmlab', 'external'),
        ('openmmlab', 'external'),
        ('mmcls', 'mmcls'),
    ],
)
def test_names_in_mmengines_tables(evil, server, monkeypatch, scheme, table):
    """The tables of names are mmengine's, but the files are read by our loader."""
    torch.save({'backbone.w': torch.ones(1), 'head.w': torch.ones(1)}, server.folder / 'good.pth')
    names = {'evil': evil, 'good': server.url('good.pth')}
    monkeypatch.setitem(schemes._TABLES, scheme, lambda: names)
    with pytest.raises(CheckpointError, match='refused'):
        CheckpointLoader.load_checkpoint(f'{scheme}://evil')
    checkpoint = CheckpointLoader.load_checkpoint(f'{scheme}://good')
    keys = checkpoint['state_dict'] if scheme == 'mmcls' else checkpoint
    assert list(keys) == (['w'] if scheme == 'mmcls' else ['backbone.w', 'head.w'])


def test_every_scheme_has_a_safe_loader():
    assert {loader.__module__ for loader in CheckpointLoader._schemes.values()} == {
        schemes.__name__
    }


def test_an_unknown_name():
    with pytest.raises(CheckpointError, match=r"did you mean '.*resnet50'"):
        CheckpointLoader.load_checkpoint('torchvision://resnet5O')


def test_a_date_in_a_name_is_not_a_hash(server, cache, digits_weights):
    (server.folder / 'w-20230104.safetensors').write_bytes(Path(digits_weights).read_bytes())
    wrn.get_model(DIGITS, pretrained=server.url('w-20230104.safetensors'))


def test_a_custom_name(tmp_path, monkeypatch, digits_weights):
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path))
    (tmp_path / 'open_mmlab.json').write_text('{"mine": "w.safetensors"}')
    (tmp_path / 'w.safetensors').write_bytes(Path(digits_weights).read_bytes())
    model = wrn.get_model(DIGITS, pretrained='openmmlab://mine')
    assert torch.equal(model.head.fc.bias, wrn.get_model(DIGITS, True).head.fc.bias)


def test_an_object_store(monkeypatch, digits_weights):
    store = {'s3://bucket/w.pth': Path(digits_weights).read_bytes(), 's3://bucket/x.pth': b'x' * 99}
    monkeypatch.setattr(schemes.fileio, 'get', store.get)
    model = wrn.get_model(DIGITS, pretrained='s3://bucket/w.pth')
    assert torch.equal(model.head.fc.bias, wrn.get_model(DIGITS, True).head.fc.bias)
    with pytest.raises(CheckpointError, match=r'^s3://bucket/x\.pth: not a checkpoint'):
        wrn.get_model(DIGITS, pretrained='s3://bucket/x.pth')


def test_an_object_store_without_its_client():
    with pytest.raises(CheckpointError, match=r's3://bucket/w\.pth: cannot be downloaded'):
        CheckpointLoader.load_checkpoint('s3://bucket/w.pth')


def test_mmengine_gets_no_text_that_it_would_run(tmp_path, monkeypatch):
    """Its inferencer runs the config of a checkpoint that it is given without a config."""
    monkeypatch.chdir(tmp_path)
    text = "open('ran', 'w')"
    checkpoint = dict(
        state_dict={'w': torch.ones(1)},
        meta=dict(cfg=text, config=text, epoch=1),
        message_hub=dict(runtime_info=dict(cfg=text, epoch=1)),
    )
    torch.save(checkpoint, 'w.pth')
    with pytest.raises(ValueError, match='Cannot find the config in the checkpoint'):
        BaseInferencer._init_model(None, Config(), 'w.pth')
    loaded = CheckpointLoader.load_checkpoint('w.pth', logger='silent')
    assert loaded['meta'] == {'epoch': 1, HIDDEN_CONFIG: text}
    assert loaded['message_hub']['runtime_info'] == dict(epoch=1)
    assert not (tmp_path / 'ran').exists()
