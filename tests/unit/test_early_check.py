"""Images that cannot be read are found before a run works on them."""

from functools import partial

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from wrn.data import early_check
from wrn.data.early_check import check_early
from wrn.data.images import LeftOut
from wrn.data.splitting import Splits
from wrn.training import finetune_folder
from wrn.training.finetune_folder import check_images
from wrn_base.errors import WrnError


@pytest.fixture
def paths(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    made = []
    for name in ('good.jpg', 'good.png', 'good.tif', 'good.webp', 'cut.png', 'text.png'):
        made.append(str(tmp_path / name))
        Image.fromarray(noise).save(made[-1])
    cut = tmp_path / 'cut.png'
    cut.write_bytes(cut.read_bytes()[:2000])
    (tmp_path / 'text.png').write_text('<html>')
    (tmp_path / 'empty.gif').touch()
    return [*made, str(tmp_path / 'empty.gif'), str(tmp_path / 'missing.png')]


def test_all_is_decoded_while_there_is_time(paths, monkeypatch):
    monkeypatch.setattr(early_check, '_INTERVAL', 0)
    done = []
    found = check_early(paths, done.append)
    assert list(found.damaged) == paths[4:]
    assert found.decoded == len(paths)
    assert done == [*range(1, 9)]


@pytest.mark.parametrize('head', [1 << 16, 12])
def test_headers_are_read_afterwards(paths, monkeypatch, head):
    """A header that is longer than what is read of it is no damage."""
    monkeypatch.setattr(early_check, '_HEAD', head)
    found = check_early(paths, seconds=0)
    expected = paths[5:] if head > 12 else paths[4:]
    assert list(found.damaged) == expected
    if head > 12:
        assert found.decoded == 3


def test_fine_tuning_names_damaged_images_of_all_splits(paths, tmp_path, caplog, monkeypatch):
    caplog.set_level('INFO')
    good, bad = [('good.jpg', 0)], [('good.png', 1), ('cut.png', 0)]
    cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=[dict(type='LoadImage')]))))
    for train, val in ((good, bad), (bad, good)):
        splits = Splits(
            tmp_path, ['a', 'b'], dict(train=train, val=val, test=val), False, LeftOut()
        )
        with pytest.raises(
            WrnError,
            match=r'cut.png: the image cannot be read \(.*truncated.*it, or add --skip-unr',
        ):
            check_images(cfg, splits)
    splits.images = dict(train=good, val=good, test=good)
    monkeypatch.setattr(finetune_folder, 'check_early', partial(check_early, seconds=0))
    check_images(cfg, splits)
    assert '0 images decoded; of the other 1 only the headers were checked' in caplog.text
    cfg.test_dataloader.dataset.pipeline[0].type = 'PackInputs'  # as if it read another format
    splits.images['val'] = bad
    check_images(cfg, splits)
