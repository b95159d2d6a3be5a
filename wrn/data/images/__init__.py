"""Images: found, read, and preprocessed for a network.

In: a path, URL, array, PIL image, folder, glob pattern, ``.txt`` list, ``.tar`` archive, or a
sequence of these. Out: pixels, ``(H, W, 3)``, BGR, uint8, and batches, ``(N, C, H, W)``. Open
``find`` first, then ``read``. ``selection`` decides which files are images. ``walk`` walks folders,
and ``archive`` reads tar files. ``header`` and ``jpeg2000`` read sizes, which ``bounds`` limits.
``png`` leaves out chunks. ``decoding`` decodes, by ``opencv`` or Pillow. ``reading_step`` is the
step of a pipeline that does so. ``preprocessing`` runs a config's test pipeline, and
``allowed_steps`` checks a pipeline that comes from a file. ``prefetch`` runs such work ahead in
threads.
"""

from wrn.data.images.decoding import Reading
from wrn.data.images.find import count_images, find_images, is_many
from wrn.data.images.prefetch import in_background, prefetch
from wrn.data.images.preprocessing import Preprocessing, collate, is_red_first, preprocess_sample
from wrn.data.images.read import EncodedImage, ImageLike, decode_image, get_content, read_image
from wrn.data.images.reading_step import LoadImage, is_reading, with_our_pixels
from wrn.data.images.selection import EXTENSIONS, LeftOut, is_hidden, is_image, scan

__all__ = [
    'EXTENSIONS',
    'EncodedImage',
    'ImageLike',
    'LeftOut',
    'LoadImage',
    'Preprocessing',
    'Reading',
    'collate',
    'count_images',
    'decode_image',
    'find_images',
    'get_content',
    'in_background',
    'is_hidden',
    'is_image',
    'is_many',
    'is_reading',
    'is_red_first',
    'prefetch',
    'preprocess_sample',
    'read_image',
    'scan',
    'with_our_pixels',
]
