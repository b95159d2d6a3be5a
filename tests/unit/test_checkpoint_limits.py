"""Crafted checkpoints are refused in one line, before they take time, memory or the process."""

import json
import pickle
import struct
import tracemalloc
import zipfile

import pytest
import torch
from mmengine.config import Config

from wrn.checkpoints import limits, read_checkpoint
from wrn.checkpoints.limits import MAX_DEPTH, MAX_HEADER, MAX_TENSORS
from wrn.checkpoints.publish import make_meta
from wrn.config.config_file import parse_config
from wrn_base.errors import CheckpointError

TUPLE1 = b'\x85'
PUT_GET_PAIR = b'q\x00h\x00\x86'  # a tuple that has the last value twice


def number(value):
    data = pickle.encode_long(value)
    return b'\x8a' + bytes([len(data)]) + data


def tensor(numel, size, stride):
    """Return the pickle of a view of ``numel`` floats in the record ``data/0``."""
    storage = b'(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu' + number(
        numel
    )
    shapes = b''.join(b'(' + b''.join(map(number, sizes)) + b't' for sizes in (size, stride))
    rest = number(0) + shapes + b'\x89ccollections\nOrderedDict\n)RtR'
    return b'ctorch._utils\n_rebuild_tensor_v2\n(' + storage + b'tQ' + rest


def values(pickled):
    """Return the pickle of a dict with a value under a name of weights."""
    return b'\x80\x02}X\x03\0\0\0a.b' + pickled + b's.'


def key(pickled):
    """Return the pickle of a dict with a key, which is hashed."""
    return b'\x80\x02})' + pickled + b'K\x01s.'


def lists(depth):
    """Return the pickle of a list whose first items are the innermost lists of the last."""
    made = b''.join(
        b']r' + struct.pack('<I', i) + (b'j' + struct.pack('<I', i - 1) + b'a' if i else b'') + b'a'
        for i in range(depth)
    )
    return values(b']' + made)


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (key(TUPLE1 * 1_000_000), f'nested in more than {MAX_DEPTH} levels'),
        (key(PUT_GET_PAIR * 60), 'more than 5000000 values'),
        (lists(1000), f'nested in more than {MAX_DEPTH} levels'),
        (b'\x80\x02(' + b'K\x01' * 1000 + b't.', 'more than 1000 values'),
        (b'\x80\x02ccollections\nOrderedDict\n)R}X\x05\0\0\0itemsK\x01sb.', r'attributes \(items'),
    ],
    ids=['deep key', 'key of many values', 'deep lists', 'operations', 'method replaced'],
)
def test_pickles(tmp_path, monkeypatch, content, reason, zipped):
    if 'more than 1000 ' in reason:
        monkeypatch.setattr(limits, 'MAX_OPERATIONS', 1000)
    path = tmp_path / 'w.pth'
    if zipped:
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('archive/data.pkl', content)
            archive.writestr('archive/version', '3\n')
    else:
        parts = [torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {}]
        path.write_bytes(
            b''.join(pickle.dumps(part, 2) for part in parts) + content + b'\x80\x02].'
        )
    refused(path, reason)


@pytest.mark.parametrize(
    ('pickled', 'data', 'reason'),
    [
        (tensor(1 << 28, (1 << 28,), (1,)), b'\0' * 4, 'does not match expected size'),
        (tensor(1, (1 << 20, 1 << 20), (0, 0)), b'\0' * 4, '4398046511104 bytes in a file of'),
        (tensor(1, (1 << 40, 1 << 40), (0, 0)), b'\0' * 4, 'overflow'),
        (tensor(1, (-5,), (1,)), b'\0' * 4, 'cannot be read'),
        (tensor(1 << 24, (1 << 24,), (1,)), b'\0' * (1 << 26), '67109.* bytes in a file of'),
    ],
    ids=['size of storage', 'stride 0', 'overflow', 'negative size', 'zip bomb'],
)
def test_sizes(tmp_path, pickled, data, reason):
    path = tmp_path / 'w.pth'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', values(pickled))
        archive.writestr('archive/version', '3\n')
        archive.writestr('archive/data/0', data)
    refused(path, reason)


def test_many_entries(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, 'MAX_TENSORS', 100)
    with zipfile.ZipFile(tmp_path / 'w.pth', 'w') as archive:
        for i in range(201):
            archive.writestr(f'a/{i}', b'')
    refused(tmp_path / 'w.pth', '201 entries, more than 200')


def test_tensors_without_data(tmp_path):
    torch.save({'state_dict': {'a.b': torch.ones(2, device='meta')}}, tmp_path / 'w.pth')
    refused(tmp_path / 'w.pth', 'meta device')
    on_meta = read_checkpoint(tmp_path / 'w.pth', map_location='meta')
    assert on_meta['state_dict']['a.b'].is_meta


def write_safetensors(path, header, data=b''):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + data)


def test_safetensors(tmp_path):
    path = tmp_path / 'w.safetensors'
    empty = dict(dtype='F32', shape=[0], data_offsets=[0, 0])
    write_safetensors(path, {f'a.{i}': empty for i in range(6000)})  # took minutes
    assert len(read_checkpoint(path)['state_dict']) == 6000
    one = dict(dtype='F32', shape=[1], data_offsets=[0, 4])
    nested = '{"a":' * (MAX_DEPTH + 1) + '1' + '}' * (MAX_DEPTH + 1)
    for header, reason in (
        ({f'a.{i}': empty for i in range(MAX_TENSORS + 1)}, f'more than {MAX_TENSORS}'),
        ({'__metadata__': {'a': 'x' * MAX_HEADER}}, f'more than {MAX_HEADER}'),
        ({'__metadata__': {'meta': '[' * 100_000 + ']' * 100_000}, 'a.b': one}, 'nested'),
        ({'__metadata__': {'meta': nested}, 'a.b': one}, 'nested'),
        (b'{"a":' + b'[' * 100_000, 'damaged'),
        ({'a.b': one, 'c.d': one}, 'invalid offset'),
        ({'a.b': one | dict(shape=[1 << 40, 1 << 40])}, 'overflow'),
    ):
        write_safetensors(
            path, header, b'\0' * 4 if isinstance(header, dict) and 'a.b' in header else b''
        )
        refused(path, reason)


def refused(path, reason):
    with pytest.raises(CheckpointError, match=reason) as error:
        read_checkpoint(path)
    assert str(error.value).startswith(f'{path}: ')
    assert '\n' not in str(error.value)


def test_a_text_that_claims_two_gigabytes(tmp_path):
    """Python allocates what a read asks for, before it knows what the file has."""
    (path := tmp_path / 'w.pth').write_bytes(
        b'\x80\x02X' + struct.pack('<i', 2**31 - 1) + bytes(20)
    )
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r'^.*w\.pth: '):
        read_checkpoint(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_a_long_config_in_a_file_is_not_formatted():
    """yapf takes from seconds to minutes for it."""
    steps = [dict(type='Resize', scale=(16, 16)), dict(type='PackInputs')]
    loader = dict(dataset=dict(type='Digits', pipeline=steps * 2000))
    config = Config(dict(model=dict(type='ImageClassifier'), test_dataloader=loader))
    text = make_meta({}, config, None, None)['cfg']
    assert len(parse_config(text).test_dataloader.dataset.pipeline) == 4000
    assert 'model=dict(' in text  # yapf would add spaces
