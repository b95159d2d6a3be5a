"""Images: found, read, and preprocessed for a network.

In come paths, URLs, folders, patterns, lists and archives (open ``find`` first, and ``selection``
for which files are images). ``read`` returns pixels, ``(H, W, 3)``, BGR, uint8. ``preprocessing``
runs a config's test pipeline on them and collates batches, ``(N, C, H, W)``; ``steps`` checks a
pipeline that comes from a file. ``prefetch`` runs such work ahead in threads.
"""

from wrn.data.images.find import count_images, find_images, is_many
from wrn.data.images.prefetch import in_background, prefetch
from wrn.data.images.preprocessing import Preprocessing, collate, is_red_first, preprocess_sample
from wrn.data.images.read import EncodedImage, ImageLike, decode_image, read_image
from wrn.data.images.selection import EXTENSIONS, LeftOut, is_hidden, is_image, scan

__all__ = [
    'EXTENSIONS',
    'EncodedImage',
    'ImageLike',
    'LeftOut',
    'Preprocessing',
    'collate',
    'count_images',
    'decode_image',
    'find_images',
    'in_background',
    'is_hidden',
    'is_image',
    'is_many',
    'is_red_first',
    'prefetch',
    'preprocess_sample',
    'read_image',
    'scan',
]
