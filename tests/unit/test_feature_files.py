"""numpy, safetensors and pyarrow read files of features, which are complete or absent."""

import os

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from wrn.inference import Features
from wrn.inference.features import check_same_size
from wrn.results import feature_files
from wrn.results.feature_files import check_format, list_path, write_features
from wrn.results.record import Record
from wrn_base.errors import ImageReadError, WrnError

MAPS = {'layer3': (8, 2, 3), 'layer1': (4, 4, 6)}
POOLED = {'layer3': (8,), 'layer1': (4,)}


@pytest.fixture
def make(rng):
    def make(shapes, number=5):
        return [
            Record(
                img_path=f'folder/{i}.png',
                stages={k: rng.normal(size=v).astype(np.float32) for k, v in shapes.items()},
            )
            for i in range(number)
        ]

    return make


def stack(rows, name):
    return np.stack([row['stages'][name] for row in rows])


@pytest.mark.parametrize('number', [1, 5, 1234])
def test_npy(make, tmp_path, number):
    rows = make(POOLED, number)
    bad = Record(img_path='bad.png', error='bad')
    write_features(tmp_path / 'x.npy', [bad, *rows, bad])
    array = np.load(tmp_path / 'x.npy')
    assert array.dtype == np.float32
    assert np.array_equal(array, np.hstack([stack(rows, 'layer3'), stack(rows, 'layer1')]))
    paths = (tmp_path / 'x.npy.txt').read_text().splitlines()
    assert paths == [row['img_path'] for row in rows]


def test_npy_of_maps_as_memory_map(make, tmp_path):
    rows = make(dict(layer1=(4, 4, 6)))
    write_features(tmp_path / 'x.npy', rows)
    array = np.load(tmp_path / 'x.npy', mmap_mode='r')
    assert array.shape == (5, 4, 4, 6)
    assert np.array_equal(array, stack(rows, 'layer1'))


@pytest.mark.parametrize('shapes', [MAPS, POOLED, {'layer1': (4, 4, 6)}])
@pytest.mark.parametrize('number', [1, 1234])
def test_safetensors(make, tmp_path, shapes, number):
    path = tmp_path / 'x.safetensors'
    rows = make(shapes, number)
    write_features(path, rows)
    arrays = load_file(path)
    assert set(arrays) == set(shapes)
    for name, array in arrays.items():
        assert np.array_equal(array, stack(rows, name))
    with safe_open(path, 'numpy') as file:  # a part, without reading the rest
        assert np.array_equal(file.get_slice('layer1')[:1], arrays['layer1'][:1])
    assert len(list_path(path).read_text().splitlines()) == number
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize('shapes', [MAPS, POOLED])
def test_parquet(make, tmp_path, monkeypatch, shapes):
    parquet = pytest.importorskip('pyarrow.parquet')
    monkeypatch.setattr(feature_files, '_ROW_GROUP', 2 * sum(map(np.prod, shapes.values())) * 4)
    rows = make(shapes)
    write_features(tmp_path / 'x.parquet', rows)
    with parquet.ParquetFile(tmp_path / 'x.parquet') as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert groups == [2, 2, 1]
        table = file.read()
    assert table.column_names == ['img_path', *shapes]
    assert table['img_path'].to_pylist() == [row['img_path'] for row in rows]
    for name in shapes:
        array = table[name].combine_chunks().to_numpy_ndarray()
        assert np.array_equal(array, stack(rows, name))
    assert len(list(tmp_path.iterdir())) == 1  # it contains the paths


@pytest.mark.parametrize('suffix', ['.npy', '.parquet'])
def test_each_image_name_takes_one_line(make, tmp_path, suffix):
    if suffix == '.parquet':
        parquet = pytest.importorskip('pyarrow.parquet')
    names = ['a\nb.png', os.fsdecode(b'\xff.png'), 'ä "x",.png']
    rows = [row | dict(img_path=name) for row, name in zip(make(POOLED, 3), names, strict=True)]
    write_features(tmp_path / f'x{suffix}', rows)
    if suffix == '.parquet':
        paths = parquet.read_table(tmp_path / 'x.parquet')['img_path'].to_pylist()
        assert paths == ['a\nb.png', r'\udcff.png', 'ä "x",.png']
    else:
        lines = (tmp_path / 'x.npy.txt').read_bytes().split(b'\n')
        assert lines == [rb'a\nb.png', b'\xff.png', 'ä "x",.png'.encode(), b'']


@pytest.mark.parametrize('suffix', feature_files.SUFFIXES)
def test_an_unfinished_file_does_not_replace_the_old_one(make, tmp_path, suffix):
    if suffix == '.parquet':
        pytest.importorskip('pyarrow')
    path = tmp_path / f'x{suffix}'
    path.write_text('old')

    class Broken:
        passes = 0

        def __iter__(self):
            self.passes += 1
            yield from make(POOLED)
            if self.passes == 2:  # after the rows were counted
                raise RuntimeError

    with pytest.raises(RuntimeError):
        write_features(path, Broken())
    write_features(path, [Record(img_path='bad.png', error='bad')])
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_maps_of_several_sizes(make):
    records = [*make(MAPS), *make({**MAPS, 'layer3': (8, 3, 3)})]
    rows = [ImageReadError('bad'), *(Features(r['img_path'], r['stages']) for r in records)]
    stream = check_same_size(rows)
    assert [next(stream) for _ in range(6)] == rows[:6]
    with pytest.raises(
        WrnError, match=r'0\.png: its features of layer3 are 8x3x3, .* earlier images 8x2x3'
    ):
        next(stream)
    with pytest.raises(
        WrnError, match=r'0\.png: its features of layer3 are 8x2x3, .* earlier images 8x9x9'
    ):
        list(check_same_size(rows, {**MAPS, 'layer3': (8, 9, 9)}))


def test_formats_that_cannot_hold_the_features():
    with pytest.raises(
        WrnError, match=r'--out x\.npy: maps of several stages do not fit .*\.safetensors'
    ):
        check_format('x.npy', ['layer1', 'layer2'], pool=False)
    check_format('x.npy', ['layer1', 'layer2'], pool=True)
    check_format('x.npy', ['layer1'], pool=False)
    check_format('x.safetensors', ['layer1', 'layer2'], pool=False)
