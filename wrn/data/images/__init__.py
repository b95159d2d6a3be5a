"""Pictures: found, read, and prepared for a network."""

from wrn.data.images.prefetch import in_background, prepare_ahead
from wrn.data.images.find import count_pictures, find_pictures, is_many
from wrn.data.images.preprocessing import Preparation, collate, is_red_first, prepare_sample
from wrn.data.images.read import EXTENSIONS, EncodedPicture, Picture, read_picture

__all__ = [
    'EXTENSIONS',
    'EncodedPicture',
    'Picture',
    'Preparation',
    'collate',
    'count_pictures',
    'find_pictures',
    'in_background',
    'is_many',
    'is_red_first',
    'prepare_ahead',
    'prepare_sample',
    'read_picture',
]
