"""What a checkpoint may contain beside tensors, and that no code in it is run."""

import argparse
import builtins
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.registry import PARAM_SCHEDULERS

import wrn.checkpoints.safe_globals
from wrn.checkpoints import read_checkpoint
from wrn_base.errors import CheckpointError

STATE_DICT = {'w': torch.ones(2)}


def test_checkpoint_from_numpy_1(tmp_path, training_checkpoint):
    """numpy 2 renamed numpy.core to numpy._core. Older checkpoints have the old name."""
    new, old = io.BytesIO(), tmp_path / 'old.pth'
    torch.save(training_checkpoint, new)
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, 'w') as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith('data.pkl'):
                assert b'cnumpy._core.multiarray\n' in content
                content = content.replace(b'cnumpy._core.', b'cnumpy.core.')
            target.writestr(name, content)
    buffers = read_checkpoint(old)['message_hub']['log_scalars']
    assert buffers['train/loss'].data[0].tolist() == [1.0, 0.5, 1 / 3]


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize(
    ('function', 'args', 'named'),
    [
        (os.system, ('touch hacked',), f'{os.system.__module__}.system'),
        (eval, ("open('hacked', 'w')",), 'eval'),
        (builtins.__import__, ('os',), '__import__'),
        (getattr, (HistoryBuffer, '__init__'), 'builtins.getattr'),
        (getattr, (np.ndarray, 'tofile'), 'builtins.getattr'),
        (getattr, (HistoryBuffer.mean, '__globals__'), 'builtins.getattr'),
        (np.load, ('x',), 'numpy.load'),
    ],
)
def test_code_is_refused_and_named(tmp_path, monkeypatch, function, args, named, zipped, calls):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'evil.pth'
    torch.save(
        dict(STATE_DICT, evil=calls(function, *args)), path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(CheckpointError, match='refused: tries to run') as error:
        read_checkpoint(path)
    assert named in str(error.value)
    assert str(path) in str(error.value)
    assert not (tmp_path / 'hacked').exists()


def test_known_attack_through_getattr(tmp_path):
    """If the real getattr were on the allow-list, reading this file would overwrite a builtin."""
    evil = (
        b'\x80\x02cbuiltins\ngetattr\n'
        b'cmmengine.logging.history_buffer\nHistoryBuffer\n'
        b'X\x08\x00\x00\x00__init__\x86R'  # getattr(HistoryBuffer, '__init__')
        b'X\x0b\x00\x00\x00__globals__'  # ... and then its globals
        b'\x86.'
    )
    path = tmp_path / 'evil.pth'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', evil)
        archive.writestr('archive/version', '3\n')
    with pytest.raises(CheckpointError, match=r'builtins\.getattr'):
        read_checkpoint(path)


def test_no_function_of_numpy_is_on_the_allow_list():
    """numpy's constructors accept any data type, including pointers; their replacements do not."""
    entries = wrn.checkpoints.safe_globals.SAFE_GLOBALS
    objects = [entry[0] if isinstance(entry, tuple) else entry for entry in entries]
    assert {o.__module__ for o in objects if o is not HistoryBuffer} == {
        'wrn.checkpoints.safe_globals'
    }


def pickled(*opcodes):
    """Return a pickle of ``{'a': x}``, where x is what the opcodes leave on the stack."""

    def text(value):
        return b'X' + struct.pack('<I', len(value)) + value.encode()

    return b'\x80\x02}' + text('a') + b''.join(opcodes) + b's.'


def name(module, attribute):
    return f'c{module}\n{attribute}\n'.encode()


BYTES = name('_codecs', 'encode') + b'X\x08\0\0\0AAAAAAAAX\x06\0\0\0latin1\x86R'
NDARRAY, DTYPE = name('numpy', 'ndarray'), name('numpy', 'dtype')
SCALAR = name('numpy._core.multiarray', 'scalar')
RECONSTRUCT = name('numpy._core.multiarray', '_reconstruct')
OBJECT, F8 = b'X\x01\0\0\0O', b'X\x02\0\0\0f8'


@pytest.mark.parametrize(
    'evil',
    [
        # An array of one pointer, to an address that the file chooses.
        NDARRAY + b'K\x01\x85' + OBJECT + BYTES + b'\x87R',
        # An array of uninitialized memory.
        NDARRAY + b'K\x40\x85' + F8 + b'\x86R',
        SCALAR + DTYPE + OBJECT + b'\x85R' + BYTES + b'\x86R',
        # A structured type with a pointer in it, as an argument and as a state.
        SCALAR + DTYPE + b']X\x01\0\0\0f' + OBJECT + b'\x86a\x85R' + BYTES + b'\x86R',
        DTYPE + F8 + b'\x85R(K\x03X\x01\0\0\0<NX\x01\0\0\0a\x85}K\x08K\x01K\x00tb',
        # An array with a shape that is larger than the content.
        RECONSTRUCT + NDARRAY + b'K\x00\x85' + F8 + b'\x87R'
        b'(K\x01K\x40\x85' + DTYPE + F8 + b'\x85R\x89' + BYTES + b'tb',
        RECONSTRUCT + name('mmengine.logging.history_buffer', 'HistoryBuffer') + b'NN\x87R',
    ],
)  # fmt: skip
def test_unsafe_arrays_are_refused(tmp_path, evil):
    path = tmp_path / 'evil.pth'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', pickled(evil))
        archive.writestr('archive/version', '3\n')
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_arrays_are_restored_as_numpy_arrays(tmp_path, training_checkpoint):
    """What was read can be written again for other readers."""
    path = tmp_path / 'w.pth'
    arrays = dict(fortran=np.asfortranarray(np.arange(6).reshape(2, 3)), text=np.array(['a', 'bc']))
    torch.save(training_checkpoint | dict(arrays=(arrays, [np.float32(1)])), path)
    checkpoint = read_checkpoint(path)
    (restored, scalars) = checkpoint['arrays']
    for key, array in arrays.items():
        assert type(restored[key]) is np.ndarray
        assert restored[key].dtype == array.dtype
        assert np.array_equal(restored[key], array)
    assert type(scalars[0]) is np.float32
    history = checkpoint['message_hub']['log_scalars']['train/loss']
    history.update(0.25)
    assert type(history.data[0]) is np.ndarray
    assert b'wrn' not in pickle.dumps(checkpoint)


SCHEDULER_ARGUMENTS = dict(
    MultiStep=dict(milestones=[2, 3]),
    OneCycle=dict(eta_max=0.1, total_steps=9),
    Step=dict(step_size=2),
    Exponential=dict(gamma=0.9),
    CosineAnnealing=dict(T_max=5),
    CosineRestart=dict(periods=[3], restart_weights=[1], eta_min=0),
    Linear=dict(),
    Poly=dict(),
    Constant=dict(),
)


@pytest.mark.parametrize('name', SCHEDULER_ARGUMENTS)
def test_state_of_every_scheduler_is_read(tmp_path, name):
    arguments = SCHEDULER_ARGUMENTS[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
    scheduler = PARAM_SCHEDULERS.build(dict(type=f'{name}LR', optimizer=optimizer, **arguments))
    torch.save(dict(STATE_DICT, scheduler=scheduler.state_dict()), tmp_path / 'w.pth')
    restored = read_checkpoint(tmp_path / 'w.pth')['scheduler']
    assert restored == scheduler.state_dict()
    scheduler.load_state_dict(restored)
    optimizer.step()
    scheduler.step()


def test_globals_allowed_by_other_code_are_ignored(tmp_path, training_checkpoint, calls):
    path = tmp_path / 'w.pth'
    torch.save(training_checkpoint, path)
    evil = tmp_path / 'evil.pth'
    torch.save(dict(STATE_DICT, evil=calls(os.getcwd)), evil)
    theirs = [np.ndarray, np.dtype, np._core.multiarray._reconstruct, os.getcwd]
    with torch.serialization.safe_globals(theirs):
        before = set(torch.serialization.get_safe_globals())
        read_checkpoint(path)
        with pytest.raises(CheckpointError, match='refused'):
            read_checkpoint(evil)
        assert set(torch.serialization.get_safe_globals()) == before


def test_data_types_and_empty_arrays(tmp_path):
    torch.save(dict(STATE_DICT, kind=np.dtype('f4'), empty=np.zeros((0, 3))), tmp_path / 'w.pth')
    checkpoint = read_checkpoint(tmp_path / 'w.pth')
    assert checkpoint['kind'] == np.dtype('f4')
    assert checkpoint['empty'].shape == (0, 3)


def test_shared_objects_stay_shared(tmp_path):
    nested = [np.ones(1)]
    for _ in range(15):
        nested = [nested, nested]
    torch.save(dict(STATE_DICT, nested=nested), tmp_path / 'w.pth')
    restored = read_checkpoint(tmp_path / 'w.pth')['nested']
    assert restored[0] is restored[1]


def test_options_of_a_training_script(tmp_path):
    """timm's and torchvision's scripts save an argparse.Namespace. It is read as a dict."""
    options = argparse.Namespace(model='wide_resnet50_2', lr=0.1, sizes=[224, (1, 2)], amp=None)
    torch.save(dict(STATE_DICT, args=options), tmp_path / 'w.pth')
    assert read_checkpoint(tmp_path / 'w.pth')['args'] == vars(options)


def test_options_that_run_code_are_refused(tmp_path, calls):
    options = argparse.Namespace(device=calls(os.system, 'true'))
    torch.save(dict(STATE_DICT, args=options), tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match=r'tries to run posix\.system'):
        read_checkpoint(tmp_path / 'w.pth')


def test_pickled_module_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match=r'tries to run torch\.nn\.modules\.linear\.Linear'):
        read_checkpoint(tmp_path / 'w.pth')


@pytest.mark.parametrize('dtype', ['u1', 'i2', 'f2', 'f8', '?'])
def test_arrays_of_all_kinds_of_numbers(tmp_path, dtype):
    torch.save(dict(STATE_DICT, extra=np.ones(3, dtype)), tmp_path / 'w.pth')
    assert read_checkpoint(tmp_path / 'w.pth')['extra'].tolist() == [1, 1, 1]


def test_arrays_of_objects_are_refused(tmp_path, calls):
    extra = np.array([{1}, calls(os.system, 'true')], dtype=object)
    torch.save(dict(STATE_DICT, extra=extra), tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match='refused'):
        read_checkpoint(tmp_path / 'w.pth')
