"""Which checkpoint files are read, and which are refused with which message."""

import hashlib
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MessageHub
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file

from wrn.checkpoints import read_checkpoint, write_weights
from wrn.checkpoints.tensor_hash import KEY, hash_tensors
from wrn.training.resume import read_whole
from wrn_base.errors import CheckpointError, WrnError

STATE_DICT = {'head.fc.weight': torch.arange(6.0).reshape(2, 3), 'head.fc.bias': torch.ones(2)}


def assert_same(state_dict, expected=STATE_DICT):
    assert state_dict.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(state_dict[key], value)


def test_training_checkpoint(tmp_path, training_checkpoint):
    path = tmp_path / 'epoch_3.pth'
    torch.save(training_checkpoint, path)
    checkpoint = read_checkpoint(path)
    assert_same(checkpoint['state_dict'], training_checkpoint['state_dict'])
    restored = MessageHub('test_reader_restored')
    restored.load_state_dict(checkpoint['message_hub'])
    assert restored.get_scalar('train/loss').data[0].tolist() == [1.0, 0.5, 1 / 3]
    assert restored.get_scalar('train/loss').mean() == pytest.approx((1 + 0.5 + 1 / 3) / 3)
    assert restored.get_info('epoch') == 3


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_meta_config_is_removed(tmp_path, suffix):
    """``Runner.resume`` passes it to ``Config.fromstring``, which runs it."""
    meta = dict(epoch=1, config="a = __import__('os').system('touch ran')")
    path = write_weights(tmp_path, f'w{suffix}', STATE_DICT, meta)
    assert read_checkpoint(path)['meta'].keys() == {'epoch', KEY}
    loaded = CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')
    assert loaded['meta'].keys() == {'epoch', KEY}


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_changed_tensors_are_found(tmp_path, suffix):
    """The whole hash in the metadata finds what the eight digits in the name cannot."""
    path = write_weights(tmp_path, f'w{suffix}', STATE_DICT, {})
    checkpoint = read_checkpoint(path)
    changed = dict(checkpoint['state_dict'])
    key = next(iter(changed))
    for value in (changed[key] + 1, changed[key].double(), changed[key].flatten()[:1].expand(3)):
        changed[key] = value
        if suffix == '.pth':
            torch.save(dict(meta=checkpoint['meta'], state_dict=changed), path)
        else:
            text = json.dumps(checkpoint['meta'])
            save_file({k: v.contiguous() for k, v in changed.items()}, path, {'meta': text})
        with pytest.raises(CheckpointError, match=f'{path}: its tensors were changed or damaged'):
            read_checkpoint(path)


def test_the_hash_of_tensors():
    """By hand, as another program would compute it."""
    weights = {
        'b': torch.tensor(1.5, dtype=torch.bfloat16),
        'a': torch.arange(6.0).reshape(2, 3),
        'c': torch.empty(0, 3),
    }
    bytes_of_a = np.arange(6, dtype='<f4').tobytes()
    lines = [
        ['a', 'torch.float32', [2, 3], hashlib.sha256(bytes_of_a).hexdigest()],
        ['b', 'torch.bfloat16', [], hashlib.sha256(b'\xc0\x3f').hexdigest()],
        ['c', 'torch.float32', [0, 3], hashlib.sha256(b'').hexdigest()],
    ]
    assert hash_tensors(weights) == hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    assert hash_tensors(weights | {'d': torch.eye(2).to_sparse()}) is None
    assert hash_tensors(weights | {'d': {}}) is None


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
def test_plain_state_dict(tmp_path, zipped):
    torch.save(STATE_DICT, tmp_path / 'w.pth', _use_new_zipfile_serialization=zipped)
    assert_same(read_checkpoint(tmp_path / 'w.pth'))


def test_safetensors(tmp_path):
    path = write_weights(
        tmp_path / 'new', 'name', STATE_DICT, dict(dataset_meta=dict(classes=['a']))
    )
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.rpartition('-')[2])
    checkpoint = read_checkpoint(path)
    assert_same(checkpoint['state_dict'])
    assert checkpoint['meta']['dataset_meta'] == {'classes': ['a']}
    assert os.listdir(path.parent) == [path.name]  # no temporary file is left


def test_safetensors_from_other_tools(tmp_path):
    for note in ('not JSON', '[1]'):
        save_file(STATE_DICT, tmp_path / 'w.safetensors', {'format': 'pt', 'meta': note})
        checkpoint = read_checkpoint(tmp_path / 'w.safetensors')
        assert_same(checkpoint['state_dict'])
        assert checkpoint['meta'] == {}


@pytest.mark.parametrize('extension', ['pth', 'safetensors'])
def test_tensors_are_copied_out_of_the_file(tmp_path, extension):
    """Overwriting a mapped file would change the weights of a running model."""
    path = tmp_path / f'w.{extension}'
    weights = {'w': torch.ones(100_000)}
    save_file(weights, path) if extension == 'safetensors' else torch.save(weights, path)
    checkpoint = read_checkpoint(path)
    path.write_bytes(b'\0' * path.stat().st_size)
    path.write_bytes(b'')
    assert torch.equal(checkpoint.get('state_dict', checkpoint)['w'], weights['w'])


def test_shared_memory_and_numpy_metadata(tmp_path):
    shared = torch.ones(3)
    meta = dict(dataset_meta=dict(palette=np.zeros(3)))
    path = write_weights(tmp_path, 'name', {'a': shared, 'b': shared}, meta)
    checkpoint = read_checkpoint(path)
    assert torch.equal(checkpoint['state_dict']['b'], shared)
    assert checkpoint['meta']['dataset_meta']['palette'] == [0, 0, 0]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'empty or truncated'),
        (b'PK\x03\x04', 'empty or truncated'),
        (b'<!DOCTYPE html><html><body>404 not found</body></html>', 'web page'),
        (b'\n  <html lang="en"> log in to continue', 'web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:00', 'git lfs pull'),
        (b'just some text of at least 16 bytes', r'w\.pth: not a checkpoint'),
        (pickle.dumps(list(range(100)), protocol=4), 'refused: Unsupported operand 149'),
    ],
)
def test_files_that_are_not_checkpoints(tmp_path, content, message):
    path = tmp_path / 'w.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as error:
        read_checkpoint(path)
    assert str(error.value).startswith(str(path))
    assert '\n' not in str(error.value)


@pytest.fixture(scope='module')
def whole_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    torch.save(STATE_DICT, folder / 'zip')
    torch.save(STATE_DICT, folder / 'legacy', _use_new_zipfile_serialization=False)
    save_file(STATE_DICT, folder / 'safetensors')
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'safetensors'])
@settings(max_examples=50, deadline=None)
@given(share=st.floats(0, 0.99))
def test_truncated_files(tmp_path_factory, whole_files, kind, share):
    content = whole_files[kind]
    path = tmp_path_factory.mktemp('cut') / 'w.pth'
    path.write_bytes(content[: int(len(content) * share)])
    # A legacy file that ends inside the name of a function calls one that does not exist.
    with pytest.raises(CheckpointError, match='refused|truncated' if kind == 'legacy' else 'trunc'):
        read_checkpoint(path)


def test_files_of_dill_and_keras_are_named(tmp_path):
    """MadryLab's robustness pickles with dill, and uncertainty-baselines writes HDF5 by Keras."""
    (tmp_path / 'w.pt').write_bytes(b'\x80\x02cdill._dill\n_load_type\nX\x01\0\0\0a\x85R.')
    (tmp_path / 'w.h5').write_bytes(b'\x89HDF\r\n\x1a\n' + b'\0' * 300)
    for name, message in (('w.pt', "dill, as by MadryLab's"), ('w.h5', 'HDF5 file.*TensorFlow')):
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / name)


def test_torchscript_program(tmp_path):
    with zipfile.ZipFile(tmp_path / 'w.pth', 'w') as archive:
        archive.writestr('w/data.pkl', pickle.dumps({}, 2))
        archive.writestr('w/constants.pkl', pickle.dumps((), 2))  # how torch recognizes one
        archive.writestr('w/version', '3\n')
    with pytest.raises(CheckpointError, match=': a TorchScript program'):
        read_checkpoint(tmp_path / 'w.pth')


@pytest.mark.parametrize('extension', ['pth', 'safetensors'])
@pytest.mark.parametrize(
    'map_location', [None, 'cpu', torch.device('cpu'), {'cuda:0': 'cpu'}, lambda s, _: s]
)
def test_map_location(tmp_path, extension, map_location):
    path = tmp_path / f'w.{extension}'
    save_file(STATE_DICT, path) if extension == 'safetensors' else torch.save(STATE_DICT, path)
    checkpoint = read_checkpoint(path, map_location)
    assert_same(checkpoint.get('state_dict', checkpoint))


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CheckpointError, match='does not exist'):
        read_checkpoint(tmp_path / 'none.pth')
    with pytest.raises(CheckpointError, match='is a folder'):
        read_checkpoint(tmp_path)


def test_pickled_list(tmp_path):
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(CheckpointError, match='holds a list'):
        read_checkpoint(tmp_path / 'list.pth')


def test_mmengine_reads_through_this_package(tmp_path, training_checkpoint, calls):
    path = tmp_path / 'epoch_3.pth'
    torch.save(training_checkpoint, path)
    read = CheckpointLoader.load_checkpoint(str(path))
    assert_same(read['state_dict'], training_checkpoint['state_dict'])
    torch.save(dict(evil=calls(os.system, 'true')), path)
    with pytest.raises(CheckpointError, match='refused'):
        CheckpointLoader.load_checkpoint(str(path))


@pytest.mark.parametrize('read', [read_checkpoint, read_whole])
def test_a_pipe_or_device_is_not_opened(tmp_path, read):
    os.mkfifo(tmp_path / 'x.pth')
    for path in (tmp_path / 'x.pth', '/dev/zero'):
        with pytest.raises(CheckpointError, match='not a file, but a pipe'):
            read(path)


def test_a_sparse_tensor_is_not_written(tmp_path):
    with pytest.raises(WrnError, match=r'^x: not written, .* no dense tensors: a\.b; give'):
        write_weights(tmp_path, 'x', {'a.b': torch.eye(3).to_sparse()}, {})


def test_a_key_that_is_no_text_has_no_hash(tmp_path):
    meta = {KEY: '0' * 64}
    state_dict = {None: torch.ones(1), 'a.b': torch.ones(1)}
    torch.save(dict(state_dict=state_dict, meta=meta), tmp_path / 'w')
    with pytest.raises(CheckpointError, match='its tensors were changed or damaged'):
        read_checkpoint(tmp_path / 'w')
