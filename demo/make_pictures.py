"""Write the pictures of this folder: held-out digits, enlarged; one as a pen on paper draws it."""

from pathlib import Path

from mmpretrain.registry import DATASETS
from PIL import Image, ImageOps

import wrn  # noqa: F401  (registers the data set)

FOLDER = Path(__file__).parent

if __name__ == '__main__':
    samples = DATASETS.build(dict(type='Digits', split='test')).load_data_list()
    for digit, on_paper in ((3, False), (7, True)):
        sample = next(sample for sample in samples if sample['gt_label'] == digit)
        picture = Image.fromarray(sample['img'][..., 0]).resize(
            (128, 128), Image.Resampling.BILINEAR
        )
        picture = ImageOps.invert(picture) if on_paper else picture
        picture.save(FOLDER / f'digit_{digit}.png')
