"""The cache of features: bounded, shared by processes, and safe to read."""

import hashlib
import logging
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import save

from wrn.head_only.feature_cache import FeatureCache
from wrn_base.errors import WrnError
from wrn_base.home import find_home

LENGTH = 5


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('WRN_HOME', str(tmp_path))
    monkeypatch.delenv('WRN_FEATURES_GB', raising=False)
    return tmp_path / 'features'


def digests(*numbers):
    return [hashlib.sha256(bytes([number])).digest() for number in numbers]


def features(*numbers):
    return np.array([[number] * LENGTH for number in numbers], np.float32)


def known(cache, *numbers):
    """Which of the numbers the cache knows, after a check of their features."""
    found = cache.load(digests(*numbers))
    for number, digest in zip(numbers, digests(*numbers), strict=True):
        if digest in found:
            assert np.array_equal(found[digest], features(number)[0])
            assert found[digest].dtype == np.float32
    return [n for n, digest in zip(numbers, digests(*numbers), strict=True) if digest in found]


def put_block(cache, content, name=None):
    cache.folder.mkdir(parents=True, exist_ok=True)
    name = name or hashlib.sha256(content).hexdigest()[:8]
    path = cache.folder / f'block-{name}.safetensors'
    path.write_bytes(content)
    return path


def test_features_are_found_again_by_their_key(folder):
    cache = FeatureCache('a', LENGTH)
    assert known(cache, 1) == []
    cache.add(digests(1, 2), features(1, 2))
    cache.add(digests(3), features(3))
    cache.add([], features()[:0].reshape(0, LENGTH))
    assert known(FeatureCache('a', LENGTH), 1, 3, 4) == [1, 3]
    assert known(FeatureCache('b', LENGTH), 1, 3) == []
    assert len([*(folder / 'a').iterdir()]) == 2


def test_place(monkeypatch, tmp_path):
    assert find_home() == tmp_path
    monkeypatch.delenv('WRN_HOME')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'x'))
    assert find_home() == tmp_path / 'x' / 'wrn'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert find_home() == tmp_path / '.cache' / 'wrn'


def make_damage(kind, content):
    arrays = dict(digests=np.frombuffer(digests(1)[0], np.uint8)[None], features=features(1))
    match kind:
        case 'cut':
            return content[:-7], None
        case 'changed':
            return content[:-1] + b'\x01', hashlib.sha256(content).hexdigest()[:8]
        case 'empty':
            return b'', None
        case 'pickle':
            return pickle.dumps(dict(arrays)), None
        case 'huge header':
            return (1 << 60).to_bytes(8, 'little') + b'{}', None
        case 'other arrays':
            return save(dict(features=features(1))), None
        case 'other length':
            return save(arrays | dict(features=features(1)[:, :2])), None
        case 'float64':
            return save(arrays | dict(features=features(1).astype(float))), None
        case 'more digests':
            return save(arrays | dict(digests=np.zeros((2, 32), np.uint8))), None
        case 'scalar':
            return save(arrays | dict(features=np.ones((), np.float32))), None
        case 'NaN':
            return save(arrays | dict(features=features(1) * np.nan)), None


KINDS = (
    'cut', 'changed', 'empty', 'pickle', 'huge header', 'other arrays', 'other length', 'float64',
    'more digests', 'scalar', 'NaN',
)  # fmt: skip


@pytest.mark.parametrize('kind', KINDS)
def test_damaged_blocks_are_reported_and_deleted(kind, folder, caplog):
    cache = FeatureCache('a', LENGTH)
    cache.add(digests(1), features(1))
    (path,) = cache.folder.iterdir()
    content = path.read_bytes()
    path.unlink()
    path = put_block(cache, *make_damage(kind, content))
    cache.add(digests(2), features(2))
    with caplog.at_level(logging.WARNING):
        assert known(cache, 1, 2) == [2]
    assert f'{path}: damaged (' in caplog.text
    assert not path.exists()
    caplog.clear()
    assert known(cache, 1, 2) == [2]
    assert not caplog.text


def test_pipes_and_large_files_are_not_read(caplog):
    cache = FeatureCache('a', LENGTH)
    cache.folder.mkdir(parents=True)
    pipe = cache.folder / 'block-00000000.safetensors'
    os.mkfifo(pipe)
    large = cache.folder / 'block-00000001.safetensors'
    with large.open('wb') as file:
        file.truncate(1 << 40)  # takes no space
    link = cache.folder / 'block-00000002.safetensors'
    link.symlink_to('/dev/zero')
    with caplog.at_level(logging.WARNING):
        assert known(cache, 1) == []
    assert caplog.text.count('damaged (') == 3
    assert caplog.text.count(str(pipe)) == 1
    assert 'Errno' not in caplog.text
    assert not any(path.is_symlink() or path.exists() for path in (pipe, large, link))


def test_what_was_used_longest_ago_is_removed_first(monkeypatch, folder):
    monkeypatch.setenv('WRN_FEATURES_GB', '2.6e-6')  # four blocks of one image
    a, b = FeatureCache('a', 100), FeatureCache('b', 100)
    row = np.ones((1, 100), np.float32)
    for age, (cache, number) in enumerate([(a, 1), (b, 1), (b, 2), (b, 3)]):
        cache.add(digests(number), row)
        for path in folder.glob('*/block-*'):
            os.utime(path, (path.stat().st_mtime - 100, path.stat().st_mtime - 100))
        assert age or path.stat().st_size < 600
    assert len(b.load(digests(1, 2, 3))) == 3
    assert len(a.load(digests(1))) == 1  # now all of b are older
    for path in (folder / 'b').glob('block-*'):
        os.utime(path, (path.stat().st_mtime - 50, path.stat().st_mtime - 50))
    a.add(digests(2), row)
    a.add(digests(3), row)
    assert len(a.load(digests(1, 2, 3))) == 3
    assert len(b.load(digests(1, 2, 3))) <= 1
    for number in range(4, 30):
        a.add(digests(number), row)
        assert sum(path.stat().st_size for path in folder.glob('*/block-*')) <= 2600
    assert not (folder / 'b').exists()


def test_a_block_that_is_larger_than_the_limit_is_not_kept(monkeypatch, folder, caplog):
    monkeypatch.setenv('WRN_FEATURES_GB', '1e-6')
    cache = FeatureCache('a', 100)
    cache.add(digests(1), np.ones((1, 100), np.float32))
    with caplog.at_level(logging.WARNING):
        cache.add(digests(2, 3, 4), np.ones((3, 100), np.float32))
    assert cache.load(digests(1, 2, 3, 4)).keys() == {*digests(1)}
    assert not caplog.text


def test_a_cache_that_is_only_read_is_trimmed(monkeypatch, folder):
    for number in range(5):
        FeatureCache('ab'[number % 2], 100).add(digests(number), np.ones((1, 100), np.float32))
    monkeypatch.setenv('WRN_FEATURES_GB', '1.3e-6')  # two blocks
    FeatureCache('a', 100).load(digests(0))
    assert len([*folder.glob('*/block-*')]) == 2


def test_a_folder_with_the_name_of_a_block_is_left_alone(caplog):
    cache = FeatureCache('a', LENGTH)
    cache.add(digests(1), features(1))
    (place := cache.folder / 'block-cccccccc.safetensors').mkdir()
    with caplog.at_level(logging.WARNING):
        assert known(cache, 1) == [1]
    assert place.is_dir()
    assert not caplog.text


def test_zero_keeps_nothing(monkeypatch, folder):
    monkeypatch.setenv('WRN_FEATURES_GB', '0')
    cache = FeatureCache('a', LENGTH)
    cache.add(digests(1), features(1))
    assert known(cache, 1) == []
    assert not folder.exists()


@pytest.mark.parametrize('value', ['-1', 'nan', 'inf', '4 GB'])
def test_wrong_limit(monkeypatch, value):
    monkeypatch.setenv('WRN_FEATURES_GB', value)
    with pytest.raises(WrnError, match=f'^WRN_FEATURES_GB {value!r}: must be a number of gigabyte'):
        FeatureCache('a', LENGTH)


def test_a_folder_that_cannot_be_written_is_reported_once(folder, caplog):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text('a file')
    cache = FeatureCache('a', LENGTH)
    with caplog.at_level(logging.WARNING):
        cache.add(digests(1), features(1))
        cache.add(digests(2), features(2))
    assert known(cache, 1) == []
    (record,) = caplog.records
    assert 'cannot be written' in record.getMessage()
    assert 'features are not kept' in record.getMessage()


def test_what_a_killed_process_leaves_is_removed(folder):
    scratch = folder / 'other' / '.wrn-abc'
    scratch.mkdir(parents=True)
    (scratch / 'block.safetensors').write_bytes(b'half')
    FeatureCache('a', LENGTH).add(digests(1), features(1))
    assert not scratch.exists()


def test_several_writers():
    """Each looks for what killed ones have left before it writes; locks hold between threads too."""

    def write(start):
        cache = FeatureCache('a', LENGTH)
        for number in range(start, start + 40):
            cache.add(digests(number), features(number))
        return cache.load(digests(*range(start, start + 40)))

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(write, (0, 20, 40, 60))]
    assert [len(one) for one in found] == [40] * 4
    assert known(FeatureCache('a', LENGTH), *range(120)) == [*range(100)]
