"""Pictures: found, read, and prepared for a network."""

from wrn.data.images.find import count_images, find_images, is_many
from wrn.data.images.prefetch import in_background, prefetch
from wrn.data.images.preprocessing import Preprocessing, collate, is_red_first, preprocess_sample
from wrn.data.images.read import EncodedImage, ImageLike, decode_image, read_image
from wrn.data.images.selection import EXTENSIONS, LeftOut, is_hidden, is_image

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
]
