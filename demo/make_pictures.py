"""Write the pictures of this folder: held-out digits, enlarged; one as a pen on paper draws it."""

from pathlib import Path

from PIL import Image, ImageOps

from wrn import Digits

FOLDER = Path(__file__).parent

if __name__ == '__main__':
    samples = Digits(split='test').load_data_list()
    for digit, on_paper in ((3, False), (7, True)):
        sample = next(sample for sample in samples if sample['gt_label'] == digit)
        picture = Image.fromarray(sample['img'][..., 0]).resize(
            (128, 128), Image.Resampling.BILINEAR
        )
        picture = ImageOps.invert(picture) if on_paper else picture
        picture.save(FOLDER / f'digit_{digit}.png')
