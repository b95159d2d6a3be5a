"""Near-duplicates of the images of a test, in other splits and classes."""

import numpy as np
import pytest
from PIL import Image

from wrn.report.near_pairs import OtherImage, find_near_pairs

KINDS = [('val', 0, 'split'), ('val', 1, 'split'), ('train', 1, 'split'), ('test', 1, 'class')]


@pytest.mark.parametrize(('split', 'label', 'kind'), KINDS)
def test_pairs_state_both_splits_and_classes(tmp_path, split, label, kind):
    """A copy in another split is of that kind, whether or not its class is the same."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    for name, image in zip(('a', 'copy', 'b'), pixels[[0, 0, 1]], strict=True):
        Image.fromarray(image).save(tmp_path / f'{name}.png')
    paths = {name: str(tmp_path / f'{name}.png') for name in ('a', 'copy', 'b')}
    others = [] if split == 'test' else [OtherImage(split, paths['a'], label)]
    tested = [('copy', 0), ('b', 0)] if others else [('a', label), ('copy', 0), ('b', 0)]

    class Images(list):
        def get_data_info(self, i):
            return dict(img_path=self[i])

    dataset = Images(paths[name] for name, _ in tested)
    (pair,), _ = find_near_pairs(dataset, [i for _, i in tested], others, lambda *_: None)
    assert (pair.kind, pair.splits, pair.classes) == (kind, (split, 'test'), (label, 0))
    assert pair.first.endswith('a.png')
    assert pair.second.endswith('copy.png')
    assert pair.distance == 0
