"""No image, list, archive or folder takes time or memory without a bound."""

import gzip
import io
import os
import socket
import struct
import subprocess
import tarfile
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from wrn.data import CheckedReading, LoadRandomResizedCrop
from wrn.data.check_folder import check_folder
from wrn.data.image_folder import ImageFolder
from wrn.data.images import count_images, decode_image, find_images, header, read_image
from wrn.data.images.archive import MAX_RATIO
from wrn.data.images.read import MAX_BYTES
from wrn.data.listing import list_splits
from wrn_base.cli import main
from wrn_base.errors import ImageReadError

HUGE = 60_000


def encode(format, size=(230, 150), **options):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


ENCODINGS = {
    'JPEG': {},
    'progressive JPEG': dict(progressive=True),
    'PNG': {},
    'GIF': {},
    'BMP': {},
    'PPM': {},
    'WEBP': {},
    'lossless WEBP': dict(lossless=True),
    'animated WEBP': dict(save_all=True, append_images=[Image.new('RGB', (230, 150))]),
    'TIFF': {},
    'big TIFF': dict(big_tiff=True),
    'JPEG2000': {},
    'bare JPEG2000': dict(no_jp2=True),
    'AVIF': {},
}


@pytest.mark.parametrize('name', ENCODINGS)
def test_the_size_in_each_header(name):
    format = name.split()[-1]
    found = header.read_header(encode(format, **ENCODINGS[name]))
    scans = 10 if name.startswith('progressive') else 1
    assert found == header.Header(format, [(230, 150)], scans=scans)


ORDERS = {'JPEG': '>HH', 'PNG': '>II', 'GIF': '<HH', 'BMP': '<ii', 'JPEG2000': '>II', 'AVIF': '>II'}


def claim(format):
    """Return an image whose header claims another size."""
    content = encode(format)
    if format == 'PPM':
        return content.replace(b'230 150', b'60000 60000')
    if format == 'TIFF':
        for tag, value in ((256, 230), (257, 150)):
            old, new = (struct.pack('<HHII', tag, 4, 1, size) for size in (value, HUGE))
            content = content.replace(old, new)
        return content
    if format == 'WEBP':  # it has 14 bits
        return content.replace(struct.pack('<HH', 230, 150), struct.pack('<HH', 16383, 16383))
    order = ORDERS[format]
    size = (150, 230) if format == 'JPEG' else (230, 150)
    content = content.replace(struct.pack(order, *size), struct.pack(order, HUGE, HUGE))
    if format == 'PNG':
        content = content[:29] + zlib.crc32(content[12:29]).to_bytes(4, 'big') + content[33:]
    return content


@pytest.mark.parametrize(
    'format', ['JPEG', 'PNG', 'GIF', 'BMP', 'PPM', 'WEBP', 'TIFF', 'JPEG2000', 'AVIF']
)
def test_too_many_pixels_are_refused_by_all_before_they_are_decoded(
    tmp_path, format, monkeypatch, fails
):
    path = tmp_path / 'data' / 'a' / 'x.png'
    path.parent.mkdir(parents=True)
    path.write_bytes(claim(format))
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('it is decoded'))
    tracemalloc.start()
    for read in (
        lambda: read_image(path),
        lambda: CheckedReading(dict(type='LoadImageFromFile'))(dict(img_path=str(path))),
        lambda: LoadRandomResizedCrop(8, reducing_gap=1)(dict(img_path=str(path))),
    ):
        with pytest.raises(ImageReadError, match=r'\d+x\d+ pixels are more than 134217728'):
            read()
    (problem,) = check_folder(tmp_path / 'data', workers=1).problems
    assert problem.kind == 'unreadable'
    assert 'pixels are more than' in problem.reason
    assert tracemalloc.get_traced_memory()[1] < 1 << 23
    tracemalloc.stop()


@pytest.mark.parametrize(('size', 'valid'), [((1, 501), False), ((2000, 4), True)])
def test_a_sliver_is_refused(tmp_path, size, valid):
    """ResizeEdge would scale 1x65000 pixels to 256x16640000."""
    Image.new('RGB', size).save(path := tmp_path / 'x.png')
    if valid:
        assert read_image(path).shape == (size[1], size[0], 3)
        return
    with pytest.raises(ImageReadError, match='1x501 pixels: one side is over 500 times the other'):
        read_image(path)


def test_a_jpeg_of_many_scans():
    content = encode('JPEG', progressive=True)
    last = content.rindex(b'\xff\xda')
    bomb = content[:last] + content[last:-2] * 300 + content[-2:]
    with pytest.raises(ImageReadError, match='more than 200 scans'):
        decode_image(bomb, 'x.jpg')
    # Scans of other images that follow, as in MPO files, do not count.
    assert decode_image(content + content * 300, 'x.jpg').shape == (150, 230, 3)


def test_formats_that_other_programs_decode_are_no_images():
    with pytest.raises(ImageReadError, match='not an image'):
        decode_image(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'x.png')


def test_pipes_sockets_and_devices_are_not_opened(tmp_path, monkeypatch, fails):
    monkeypatch.chdir(tmp_path)
    for name in ('f.png', 'l.txt', 'a.tar'):
        os.mkfifo(name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind('s.png')
        refused = ('f.png', 'l.txt', 'a.tar', 's.png', '/dev/zero')
        for name in refused:
            with pytest.raises(ImageReadError, match=f'{name}: cannot be read .not a file, but a'):
                read_image(next(find_images(name)))
        (tmp_path / 'list.txt').write_text('\n'.join(refused))
        error = fails('predict', 'list.txt')
        assert '5 of 5 images could not be read' in error
        os.mkdir('d')
        os.link('f.png', 'd/f.png')
        with pytest.raises(ImageReadError, match='has no images'):
            list(find_images('d'))
        assert 'not a file, but a pipe' in fails('check-data', 'd', '--ann-file', 'l.txt')


def test_a_sparse_file_of_a_terabyte(tmp_path):
    for name in ('x.png', 'x.txt'):
        with (tmp_path / name).open('wb') as file:
            file.truncate(1 << 40)
    with pytest.raises(ImageReadError, match=f'has {1 << 40} bytes, more than {MAX_BYTES}'):
        read_image(tmp_path / 'x.png')
    with pytest.raises(ImageReadError, match='not UTF-8 text of short lines'):
        list(find_images(tmp_path / 'x.txt'))


PNG = encode('PNG', (4, 4))


def block(name, size, kind=b'0'):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def member(name, content=PNG):
    return block(name, len(content)) + content + b'\0' * (-len(content) % 512)


GOOD = member('a.png') + member('b.png')
DAMAGED = {
    'a claimed size': (GOOD + block('c.png', 1 << 40) + PNG, 'has more bytes than the archive'),
    'a long name': (GOOD + block('././@LongLink', 1 << 40, b'L'), 'a header of 1099511627776'),
    'a pax header': (GOOD + block('pax', 1 << 30, b'x'), 'a header of 1073741824'),
    'a negative size': (GOOD + block('c.png', -4096), 'a header of -4096 bytes'),
    'cut in a member': ((GOOD + member('c.png', os.urandom(2000)))[:-700], 'more bytes than'),
    'cut in a header': ((GOOD + member('c.png'))[:-700], 'truncated header'),
    'no header': (GOOD + os.urandom(1024), 'checksum|header'),
}


@pytest.mark.parametrize('suffix', ['.tar', '.tar.gz'])
@pytest.mark.parametrize('name', DAMAGED)
def test_an_archive_damaged_after_good_images_ends_in_an_error_of_its_own(tmp_path, name, suffix):
    content, reason = DAMAGED[name]
    path = tmp_path / f'x{suffix}'
    path.write_bytes(content if suffix == '.tar' else gzip.compress(content))
    if suffix == '.tar.gz' and name == 'cut in a member':  # the size fits, but bytes are missing
        reason = 'unexpected end of data'
    *good, last = find_images(path)
    assert [image.name for image in good][:2] == [f'{path}/a.png', f'{path}/b.png']
    assert all(read_image(image).shape == (4, 4, 3) for image in good[:2])
    with pytest.raises(ImageReadError, match=f'the archive is damaged after .*{reason}'):
        read_image(last)
    assert count_images(path) in (None, len(good) + 1)


@pytest.mark.parametrize('name', DAMAGED)
def test_an_archive_damaged_before_its_first_image(tmp_path, name):
    path = tmp_path / 'x.tar'
    path.write_bytes(DAMAGED[name][0][len(GOOD) :])
    with pytest.raises(ImageReadError, match=r'x\.tar: cannot be read'):
        list(find_images(path))


def test_predictions_before_the_damage_are_written(tmp_path, capsys):
    (tmp_path / 'x.tar').write_bytes(DAMAGED['a claimed size'][0])
    main(['predict', str(tmp_path / 'x.tar'), '--out', str(tmp_path / 'p.csv')])
    rows = (tmp_path / 'p.csv').read_text().splitlines()
    assert len(rows) == 4
    assert 'x.tar/b.png' in rows[2]
    assert 'the archive is damaged after 2 of its images' in rows[3]
    assert '3 images' in capsys.readouterr().err


def test_a_decompression_bomb_and_special_members(tmp_path, monkeypatch):
    path = tmp_path / 'x.tar.gz'
    content = gzip.compress(GOOD + member('c.png', b'\0' * (1 << 22)) * 3)
    path.write_bytes(content)
    monkeypatch.setattr('wrn.data.images.archive.MAX_BYTES', 1 << 20)
    assert len(content) * MAX_RATIO < 3 << 22
    *_, last = images = list(find_images(path))
    assert len(images) < 5
    with pytest.raises(ImageReadError, match='more bytes than the archive'):
        read_image(last)
    with tarfile.open(tmp_path / 'y.tar', 'w') as archive:
        for name, kind in (('p.png', tarfile.FIFOTYPE), ('c.png', tarfile.CHRTYPE)):
            special = tarfile.TarInfo(name)
            special.type = kind
            archive.addfile(special)
        image = tarfile.TarInfo('a.png')
        image.size = len(PNG)
        archive.addfile(image, io.BytesIO(PNG))
    assert [str(image) for image in find_images(tmp_path / 'y.tar')] == [f'{tmp_path}/y.tar/a.png']


def test_a_sparse_member_of_a_terabyte(tmp_path):
    header = bytearray(block('s.png', 0, tarfile.GNUTYPE_SPARSE))
    header[483:495] = struct.pack('>4xQ', 1 << 40)  # the size of the file, with its holes
    header[483] = 0x80
    header[148:156] = b' ' * 8
    header[148:156] = b'%06o\0 ' % sum(header)
    (tmp_path / 'x.tar').write_bytes(bytes(header) + GOOD)
    first, *others = find_images(tmp_path / 'x.tar')
    assert len(others) == 2
    with pytest.raises(ImageReadError, match=f'has {1 << 40} bytes, more than'):
        read_image(first)


@pytest.mark.parametrize('suffix', ['.tar', '.tar.gz'])
@pytest.mark.parametrize('form', ['gnu', 'posix'])
def test_a_sparse_member_is_named_in_one_line(tmp_path, monkeypatch, suffix, form):
    """tarfile would name each format that the archive does not have, and then the reason."""
    monkeypatch.chdir(tmp_path)
    with open('s.png', 'wb') as file:
        for i in range(60):
            file.seek(100_000 * i)
            file.write(b'x' * 5000)
    (tmp_path / 'a.png').write_bytes(PNG)
    advice = 'a sparse file; recreate the archive without `tar --sparse`'
    options = ('--sparse', f'--format={form}', '--auto-compress')
    subprocess.run(['tar', *options, '-cf', f'x{suffix}', 's.png'], check=True)
    with pytest.raises(ImageReadError) as error:
        list(find_images(f'x{suffix}'))
    assert str(error.value) == f'x{suffix}: cannot be read ({advice}); check the path and the file'
    subprocess.run(['tar', *options, '-cf', f'y{suffix}', 'a.png', 's.png'], check=True)
    _, last = find_images(f'y{suffix}')
    with pytest.raises(ImageReadError) as error:
        read_image(last)
    assert str(error.value) == (
        f'y{suffix}: the archive is read up to 1 of its images; the next member is {advice}'
    )


@pytest.mark.parametrize(
    ('content', 'reason'),
    [(b'', 'the file is empty'), (b'text', 'not a tar archive, or damaged: truncated header')],
)
def test_a_file_that_is_no_archive(tmp_path, content, reason):
    (tmp_path / 'x.tar').write_bytes(content)
    with pytest.raises(ImageReadError, match=rf'x\.tar: cannot be read \({reason}\)'):
        list(find_images(tmp_path / 'x.tar'))


def test_links_among_folders_give_each_folder_once(tmp_path):
    for i in range(9):
        (tmp_path / 'n' / f'c{i}').mkdir(parents=True)
        (tmp_path / 'n' / f'c{i}' / 'x.png').write_bytes(encode('PNG', (4, 4 + i)))
        for j in range(9):
            (tmp_path / 'n' / f'c{i}' / f'l{j}').symlink_to(f'../c{j}')
    expected = [str(tmp_path / 'n' / f'c{i}' / 'x.png') for i in range(9)]
    assert list(find_images(tmp_path / 'n')) == expected
    for pattern in ('**/*.png', '**', '*/**/x.png', '**/**/*.p?g'):
        assert list(find_images(f'{tmp_path}/n/{pattern}')) == expected
    (split,) = list_splits(tmp_path / 'n')
    assert [str(tmp_path / 'n' / file) for file in split.files] == expected
    assert split.labels == [*range(9)]
    dataset = ImageFolder(data_root=str(tmp_path / 'n'))
    assert [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))] == expected
    problems = check_folder(tmp_path / 'n').problems
    assert {problem.kind for problem in problems} == {'ignored'}
    assert len(problems) == 81


def test_links_to_folders_elsewhere_are_followed_once(tmp_path):
    (tmp_path / 'store' / 'sub').mkdir(parents=True)
    (tmp_path / 'store' / 'sub' / 'x.png').write_bytes(PNG)
    (tmp_path / 'data' / '.cache').mkdir(parents=True)
    (tmp_path / 'data' / '.cache' / 'y.png').write_bytes(PNG)
    for name, target in (('a', '../store'), ('b', '../store/sub'), ('c', '.cache'), ('d', '..')):
        (tmp_path / 'data' / name).symlink_to(target)
    found = [str(tmp_path / 'data' / name) for name in ('a/sub/x.png', 'c/y.png')]
    assert list(find_images(tmp_path / 'data')) == found
    (one, other) = find_images(f'{tmp_path}/data/**/*.png')
    assert os.path.samefile(one, found[0])
    assert other == found[1]


@pytest.fixture
def deep_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1100):
        os.mkdir('d')
        os.chdir('d')
    with open('x.png', 'wb') as file:
        file.write(PNG)
    os.chdir(tmp_path)
    yield tmp_path
    subprocess.run(['rm', '-r', tmp_path / 'd'], check=True)  # pytest would exceed the stack, too


def test_a_folder_deeper_than_pythons_stack(deep_folder):
    (name,) = find_images('d')
    assert name.count('/') == 1100
    (split,) = list_splits(deep_folder)
    assert split.files == [name]


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'latin-1'])
def test_lists_of_windows_editors(tmp_path, monkeypatch, encoding):
    monkeypatch.chdir(tmp_path)
    names = ['a ü.png', 'b.png']
    content = '\r\n'.join(['', '\ta ü.png\t', '  ', 'b.png', '', ''])
    (tmp_path / 'list.txt').write_bytes(content.encode(encoding))
    if encoding == 'utf-16-le':  # without a mark
        with pytest.raises(ImageReadError, match=r'list\.txt: cannot be read .*not UTF-8 text'):
            list(find_images('list.txt'))
    else:
        found = list(find_images('list.txt'))
        assert [os.fsencode(name) for name in found] == [
            name.encode('latin-1' if encoding == 'latin-1' else 'utf-8') for name in names
        ]
