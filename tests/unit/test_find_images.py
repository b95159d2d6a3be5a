"""Inputs that stand for several images, and the files left out of them."""

import logging
import tarfile

import numpy as np
import pytest
from PIL import Image

from wrn.config.config_file import read_config
from wrn.data.images import (
    LeftOut,
    Preprocessing,
    count_images,
    find_images,
    is_hidden,
    is_many,
    preprocess_sample,
)
from wrn_base.errors import ImageReadError


def test_find_in_folders_and_patterns(tmp_path):
    names = ['b.png', 'a.JPG', 'notes.txt', 'deep/er/c.webp', '.hidden']
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    paths = [str(tmp_path / name) for name in ('a.JPG', 'b.png', 'deep/er/c.webp')]
    assert list(find_images(tmp_path)) == paths
    assert list(find_images(f'{tmp_path}/*.png')) == [paths[1]]
    assert list(find_images(f'{tmp_path}/**/*.webp')) == [paths[2]]
    array = np.zeros((2, 2, 3), np.uint8)
    assert list(find_images([array, tmp_path, 'x.jpg'])) == [array, *paths, 'x.jpg']


@pytest.mark.parametrize(
    ('path', 'hidden'),
    [
        ('a.jpg', False),
        ('a/b.c/d.jpg', False),
        ('./a.jpg', False),
        ('../a.jpg', False),
        ('a/__MACOSX.jpg', False),
        ('.a.jpg', True),
        ('a/._b.jpg', True),
        ('.ipynb_checkpoints/a.jpg', True),
        ('a/.cache/b/c.jpg', True),
        ('__MACOSX/a.jpg', True),
        ('__MACOSX', True),
    ],
)
def test_hidden_paths(path, hidden):
    assert is_hidden(path) is hidden


IMAGES = ['a.JPG', 'b/1.png', 'deep/er/c.webp']
OTHERS = ['notes.txt', 'b/X.TXT', 'b/1.xmp', 'README', 'Thumbs.db']
HIDDEN = [
    'b/._1.png',
    '.ipynb_checkpoints/a.jpg',
    '__MACOSX/b/2.png',
    '__MACOSX/3.txt',
    '.DS_Store',
]
LEFT_OUT = 'left out 8 files: 3 hidden images, 2 .txt, 1 .db, 1 .xmp, 1 without extension'


@pytest.fixture
def folder(tmp_path):
    for name in (*IMAGES, *OTHERS, *HIDDEN):
        path = tmp_path / '.data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    return tmp_path / '.data'  # the input itself may be hidden


def test_files_left_out_of_a_folder(folder):
    left_out = LeftOut()
    found = list(find_images(folder, left_out))
    assert found == [str(folder / name) for name in IMAGES]
    assert sorted(str(left_out).split(', ')) == sorted(LEFT_OUT.split(', '))
    assert count_images(folder) == 3


def test_files_left_out_of_an_archive(folder, tmp_path):
    with tarfile.open(tmp_path / 'x.tar', 'w') as archive:
        archive.add(folder, '.')
    left_out = LeftOut()
    found = find_images(tmp_path / 'x.tar', left_out)
    names = [image.name for image in found]
    assert sorted(names) == [f'{tmp_path}/x.tar/./{name}' for name in IMAGES]
    assert sorted(str(left_out).split(', ')) == sorted(LEFT_OUT.split(', '))
    counted = LeftOut()
    assert count_images([str(tmp_path / 'x.tar')], counted) == 3
    assert counted == left_out


def test_hidden_matches_of_a_pattern(folder):
    left_out = LeftOut()
    assert list(find_images(f'{folder}/**/*.png', left_out)) == [str(folder / 'b/1.png')]
    assert left_out == {'hidden': 1}  # glob matches no names that begin with a dot


def test_hidden_images_given_by_name(folder):
    paths = [str(folder / 'b/._1.png'), str(folder / '__MACOSX/b/2.png')]
    assert list(find_images(paths)) == paths
    assert list(find_images(str(folder / '__MACOSX'))) == paths[1:]


def test_the_number_of_files_left_out_is_logged(folder, caplog):
    with caplog.at_level(logging.INFO, 'wrn'):
        list(find_images([folder, folder / 'b']))
    (message,) = caplog.messages
    assert message.startswith('inputs: left out 11 files: 4 hidden images, 3 .txt, 2 .xmp')
    caplog.clear()
    with caplog.at_level(logging.INFO, 'wrn'):
        list(find_images(folder / 'a.JPG'))
    assert not caplog.messages


def test_a_broken_link_is_left_out(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'')
    (tmp_path / 'b.png').symlink_to('none')
    left_out = LeftOut()
    assert list(find_images(tmp_path, left_out)) == [str(tmp_path / 'a.png')]
    assert str(left_out) == 'left out 1 file: 1 not a file'


def test_endless_links_are_left_out(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'x.png').write_bytes(b'')
    (tmp_path / 'b').symlink_to('b')
    (tmp_path / 'a' / 'above').symlink_to('..')
    left_out = LeftOut()
    assert list(find_images(tmp_path, left_out)) == [str(tmp_path / 'a' / 'x.png')]
    assert (
        str(left_out) == 'left out 2 files: 1 not a file, 1 linked to a folder that is read already'
    )


def test_calibration_reports_the_files_left_out_once(tmp_path, photograph, caplog):
    (tmp_path / 'x.jpg').symlink_to(photograph)
    (tmp_path / 'notes.txt').write_text('')
    config = read_config('configs/wrn/wide-resnet50_8xb32_in1k.py')
    with caplog.at_level(logging.INFO, 'wrn'):
        assert len(preprocess_sample(str(tmp_path), Preprocessing(config))) == 1
    assert caplog.messages == [f'{tmp_path}: left out 1 file: 1 .txt']


def test_the_message_about_files_left_out_stays_short():
    left_out = LeftOut()
    for i in range(1000):
        left_out.add(f'scan.{i:04}')
    left_out.add('x.a\nb')
    assert left_out.total() == 1001
    assert len(left_out) == 21
    assert left_out['others'] == 981
    left_out = LeftOut()
    left_out.add('x.a\nb')
    assert str(left_out) == "left out 1 file: 1 '.a\\nb'"


def test_a_bracket_in_a_file_name_is_not_a_pattern(tmp_path):
    path = tmp_path / 'x[1].png'
    path.write_bytes(b'')
    assert list(find_images(path)) == [path]
    assert not is_many(path)


def test_nothing_found(tmp_path):
    with pytest.raises(ImageReadError, match='has no images'):
        list(find_images(tmp_path))
    with pytest.raises(ImageReadError, match='no file matches'):
        list(find_images(f'{tmp_path}/*.jpg'))


def test_single_and_many(tmp_path, photograph):
    assert not is_many(photograph)
    assert not is_many('https://host/x.jpg?a=[1]')
    assert not is_many(np.zeros((2, 2, 3), np.uint8))
    assert not is_many(Image.new('RGB', (2, 2)))
    assert is_many([photograph])
    assert is_many(tmp_path)
    assert is_many('*.jpg')
