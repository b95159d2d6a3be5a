"""Images of each format, and archives of them."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from harness import Target
from mmpretrain.registry import TRANSFORMS
from mutate import mutate_bytes
from PIL import Image
from weights import DIGITS

import wrn
from wrn.data import LoadRandomResizedCrop
from wrn.data.checked_reading import CheckedReading
from wrn.data.damage import find_damage
from wrn.data.images import count_images
from wrn.data.images.selection import EXTENSIONS

# The extensions of each format that Pillow writes, and variants: mode and options.
FORMATS: dict[str, tuple[tuple[str, ...], tuple[tuple[str, dict[str, Any]], ...]]] = {
    'AVIF': (('.avif',), (('RGB', {}), ('RGBA', {}))),
    'BMP': (('.bmp',), (('RGB', {}), ('P', {}), ('1', {}))),
    'GIF': (('.gif',), (('P', {}), ('P', dict(save_all=True)))),
    'JPEG': (
        ('.jfif', '.jpe', '.jpeg', '.jpg'),
        (
            ('RGB', {}),
            ('L', {}),
            ('CMYK', {}),
            ('RGB', dict(progressive=True)),
            ('RGB', dict(exif=True)),
        ),
    ),
    'JPEG2000': (('.jp2',), (('RGB', {}), ('L', {}))),
    'PNG': (
        ('.png',),
        (
            ('RGB', {}),
            ('P', {}),
            ('1', {}),
            ('I;16', {}),
            ('RGBA', {}),
            ('LA', {}),
            ('RGB', dict(exif=True)),
        ),
    ),
    'PPM': (('.pbm', '.pgm', '.pnm', '.ppm'), (('1', {}), ('L', {}), ('I;16', {}), ('RGB', {}))),
    'TIFF': (
        ('.tif', '.tiff'),
        (
            *(('RGB', {}), ('P', {}), ('1', {}), ('I;16', {}), ('I', {}), ('F', {}), ('CMYK', {})),
            *(
                ('RGB', dict(compression=kind))
                for kind in ('tiff_lzw', 'tiff_adobe_deflate', 'jpeg', 'packbits')
            ),
            ('RGBA', dict(big_tiff=True)),
        ),
    ),
    'WEBP': (
        ('.webp',),
        (('RGB', {}), ('RGBA', dict(lossless=True)), ('RGB', dict(save_all=True))),
    ),
}
_ORIENTATION = 274
_BOMB = b'x\0\0' + zlib.compress(bytes(200_000_000), 1)  # the text or profile of a PNG
_TOKENS = (
    b'P3\n',
    b'P6 9999999 9999999 65535\n',
    b' 99999999999 ',
    b'\xff\xd8\xff',
    b'IDAT',
    b'\xff\xd9',
)


def image(name: str) -> Target:
    """Bytes of an image, and the chunks of a PNG under valid checksums."""
    extensions, variants = FORMATS[name]
    contents = [encode(name, mode, **options) for mode, options in variants]
    network = wrn.get_model(DIGITS, True)

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        content = rng.choice(contents)
        if name == 'PNG' and rng.random() < 0.7:
            content = _mutate_chunk(rng, content)
        else:
            content = mutate_bytes(rng, content, _TOKENS)
        path = f'x{rng.choice(extensions)}'
        folder.joinpath(path).write_bytes(content)
        return partial(rng.choice((_predict, _predict, _check, _train)), network, path)

    return target


def archive() -> Target:
    """Bytes of an archive of images, compressed or not, and its headers under valid checksums."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w') as tar:
        for number, name in enumerate(('a.png', 'b/c.jpg', 'x.txt', 'd.gif')):
            member = tarfile.TarInfo(name if number else 'long' * 60 + name)
            content = encode('PNG', 'RGB')
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo('link.png')
        link.type, link.linkname = tarfile.SYMTYPE, 'a.png'
        tar.addfile(link)
    whole = file.getvalue()
    network = wrn.get_model(DIGITS, True)

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        name, compress = rng.choice(
            (('x.tar', bytes), ('x.tar', bytes), ('x.tar.gz', gzip.compress), ('x.tgz', gzip.compress),
             ('x.tar.bz2', bz2.compress), ('x.tar.xz', lzma.compress))
        )  # fmt: skip
        if rng.random() < 0.7:
            content = compress(_mutate_headers(rng, whole))
        else:
            content = mutate_bytes(rng, compress(whole))
        folder.joinpath(name).write_bytes(content)
        return lambda: (count_images(name), wrn.inference_model(network, name))

    return target


def encode(name: str, mode: str, **options: Any) -> bytes:
    """Return the content of an image file."""
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    if mode in ('I;16', 'I', 'F'):
        wide = pixels[..., 0].astype({'I;16': np.uint16, 'I': np.int32, 'F': np.float32}[mode])
        image = Image.fromarray(wide)
    else:
        image = Image.fromarray(pixels).convert(mode)
    if options.pop('exif', False):
        options['exif'] = image.getexif()
        options['exif'][_ORIENTATION] = 6
    if options.get('save_all'):
        options['append_images'] = [image.rotate(180)]
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def _predict(network: Any, path: str) -> None:
    wrn.inference_model(network, path)


def _check(network: Any, path: str) -> None:
    find_damage(Path(path).read_bytes(), path)


def _train(network: Any, path: str) -> None:
    for step in (
        dict(type='LoadImageFromFile'),
        dict(type='LoadImageFromFile', imdecode_backend='pillow', color_type='unchanged'),
        LoadRandomResizedCrop(16, reducing_gap=2),
    ):
        step = TRANSFORMS.build(step) if isinstance(step, dict) else step
        CheckedReading(step).transform(dict(img_path=path))


def _mutate_chunk(rng: Random, content: bytes) -> bytes:
    """Change, drop or repeat a chunk of a PNG, with a valid checksum."""
    chunks, place = [], 8
    while place < len(content):
        (size,) = struct.unpack('>I', content[place : place + 4])
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    index = rng.randrange(len(chunks))
    kind, data = chunks[index]
    match rng.randrange(5):
        case 0:
            chunks.insert(rng.randrange(len(chunks)), chunks[index])
        case 1:
            del chunks[index]
        case 2 if kind == b'IDAT':
            chunks[index] = (
                kind,
                zlib.compress(mutate_bytes(rng, zlib.decompress(data)) * rng.choice((1, 100))),
            )
        case 3:
            kind = rng.choice(
                (b'zTXt', b'iCCP', b'eXIf', b'tRNS', b'PLTE', b'acTL', b'fcTL', b'IHDR')
            )
            chunks.insert(1, (kind, rng.choice((data, _BOMB, b'II*\0' + rng.randbytes(40)))))
        case _:
            chunks[index] = kind, mutate_bytes(rng, data)
    return content[:8] + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks
    )


_FIELDS = (
    (0, 100),
    (100, 8),
    (108, 8),
    (116, 8),
    (124, 12),
    (124, 12),
    (136, 12),
    (156, 1),
    (156, 1),
    (157, 100),
    (257, 8),
    (345, 155),
    (386, 96),
    (483, 12),
)


def _mutate_headers(rng: Random, content: bytes) -> bytes:
    """Change fields of the headers of a tar archive, and keep their checksums valid."""
    tar = bytearray(content)
    headers = [i for i in range(0, len(tar), 512) if tar[i + 257 : i + 262] == b'ustar']
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.choice(headers)
        offset, size = rng.choice(_FIELDS)
        new = rng.choice(
            (
                rng.randbytes(size),
                b'\0' * size,
                b'7' * (size - 1) + b'\0',
                b'\x80' + rng.randbytes(size - 1)
                if size > 1
                else rng.choice((b'S', b'x', b'g', b'L', b'K', b'V', b'1', b'6')),
                b'\x80\0\0\0' + b'\0\0\1' + bytes(size)[: max(size - 7, 0)],
                b'-1 ',
                rng.choice((b'S', b'x', b'g', b'L', b'K', b'D', b'1', b'2', b'3', b'6', b'7')),
            )
        )[:size]
        tar[start + offset : start + offset + len(new)] = new
        tar[start + 148 : start + 156] = b' ' * 8
        tar[start + 148 : start + 156] = b'%06o\0 ' % sum(tar[start : start + 512])
    return bytes(tar)


assert {extension for extensions, _ in FORMATS.values() for extension in extensions} == {
    *EXTENSIONS
}
