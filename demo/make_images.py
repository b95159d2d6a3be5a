"""Write the images of this folder: enlarged held-out digits, one of them black on white."""

from pathlib import Path

from PIL import Image, ImageOps

from wrn import Digits

FOLDER = Path(__file__).parent

if __name__ == '__main__':
    samples = Digits(split='test').load_data_list()
    for digit, inverted in ((3, False), (7, True)):
        sample = next(sample for sample in samples if sample['gt_label'] == digit)
        image = Image.fromarray(sample['img'][..., 0]).resize((128, 128), Image.Resampling.BILINEAR)
        image = ImageOps.invert(image) if inverted else image
        image.save(FOLDER / f'digit_{digit}.png')
