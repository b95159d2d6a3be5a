"""Image files of many formats, to damage and to check."""

import io
from collections import Counter

import numpy as np
from PIL import Image

from wrn.data.check_folder import check_folder

FORMATS = {  # extension: Pillow's format, mode, options
    'jpg': ('JPEG', 'RGB', {}),
    'progressive.jpg': ('JPEG', 'RGB', dict(progressive=True)),
    'grey.jpeg': ('JPEG', 'L', {}),
    'cmyk.JPG': ('JPEG', 'CMYK', {}),
    'png': ('PNG', 'RGB', {}),
    'palette.png': ('PNG', 'P', {}),
    '1.png': ('PNG', '1', {}),
    '16.png': ('PNG', 'I;16', {}),
    'rgba.png': ('PNG', 'RGBA', {}),
    'ppm': ('PPM', 'RGB', {}),
    'pgm': ('PPM', 'L', {}),
    'bmp': ('BMP', 'RGB', {}),
    'tif': ('TIFF', 'RGB', {}),
    'lzw.tif': ('TIFF', 'RGB', dict(compression='tiff_lzw')),
}


def encode(name, seed=0, size=(30, 20)):
    format, mode, options = FORMATS[name]
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if mode == 'I;16':
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    content = io.BytesIO()
    (image if mode == 'I;16' else image.convert(mode)).save(content, format, **options)
    return content.getvalue()


CONTENTS = {name: encode(name) for name in FORMATS}


def write(root, **files):
    for path, content in files.items():
        root.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        root.joinpath(path).write_bytes(content)


def found(root, *args):
    return Counter((p.kind, p.path) for p in check_folder(root, *args).problems)
