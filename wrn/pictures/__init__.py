"""Pictures: found, read, and prepared for a network."""

from wrn.pictures.ahead import in_background, prepare_ahead
from wrn.pictures.finding import count_pictures, find_pictures, is_many
from wrn.pictures.preparation import Preparation, collate, is_red_first, prepare_sample
from wrn.pictures.reading import EXTENSIONS, EncodedPicture, Picture, read_picture

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
