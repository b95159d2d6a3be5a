"""The caches are those of the libraries, which are not imported to find them."""

from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from wrn_base.doctor.caches import check_caches, find_caches


def test_the_folders_are_those_of_the_libraries(monkeypatch):
    for name in ('TORCH_HOME', 'XDG_CACHE_HOME', 'TORCHINDUCTOR_CACHE_DIR'):
        monkeypatch.delenv(name, raising=False)
    found = {name: folder for name, (folder, _) in find_caches().items()}
    assert found['weights'] == Path(torch.hub.get_dir(), 'checkpoints')
    assert found['weights of the hub'] == Path(huggingface_hub.constants.HF_HUB_CACHE)
    assert found['compiled networks'] == Path(default_cache_dir())
    monkeypatch.setenv('TORCH_HOME', '/x')
    assert find_caches()['weights'][0] == Path(torch.hub.get_dir(), 'checkpoints')


@pytest.fixture
def folders(monkeypatch, tmp_path):
    for name in ('TORCH_HOME', 'HF_HOME', 'TORCHINDUCTOR_CACHE_DIR', 'WRN_HOME'):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv('HF_HUB_CACHE', raising=False)
    return tmp_path


def test_features_are_in_the_folder_of_this_package(folders):
    assert find_caches()['features'] == (folders / 'WRN_HOME' / 'features', 'WRN_HOME')


def test_sizes(folders):
    kept = folders / 'TORCH_HOME' / 'hub' / 'checkpoints' / 'below' / 'a.pth'
    kept.parent.mkdir(parents=True)
    kept.write_bytes(bytes(3 << 20))
    kept.with_name('link').symlink_to(kept)
    found = {one.name: one for one in check_caches()}
    assert found['weights'].value.startswith('3 MiB in 2 files, ')
    assert found['weights of the hub'].value.startswith('empty, ')
    assert {one.status for one in found.values()} == {'ok'}


def test_a_cache_that_cannot_be_written(folders):
    (folders / 'TORCH_HOME').write_text('a file')
    found = {one.name: one for one in check_caches()}
    assert found['weights'].status == 'warning'
    assert found['weights'].cure == 'set TORCH_HOME to a folder that can'
