"""`wrn check-data` finds all problems of a data folder, and reports no others."""

import csv
import io
import json
import shutil
import warnings
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import ConfigDict
from mmpretrain.datasets import CustomDataset, ImageNet
from PIL import Image

from wrn.cli import main
from wrn.data.check_folder import KINDS, check_folder
from wrn.data.damage import find_damage
from wrn.data.image_folder import ImageFolder, ImageNetFolder, use_image_folders
from wrn.data.images import decode_image
from wrn.data.listing import list_splits
from wrn.utils.errors import ImageReadError, WrnError

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


def kind_of(content, name):
    damage = find_damage(content, f'a b/ü.{name}')
    return damage and damage.kind


def opencv(content):
    """Return the pixels that mmpretrain's LoadImageFromFile gets, if any."""
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None


def pixels(content):
    """Return the pixels that training and prediction get, if any."""
    try:
        return decode_image(content, 'x')
    except ImageReadError:
        return None


def write(root, **files):
    for path, content in files.items():
        root.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        root.joinpath(path).write_bytes(content)


def found(root, *args):
    return Counter((p.kind, p.path) for p in check_folder(root, *args).problems)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    yield
    cv2.utils.logging.setLogLevel(level)


@pytest.mark.parametrize('name', FORMATS)
def test_whole_images_have_no_damage(name):
    assert opencv(CONTENTS[name]) is not None
    assert kind_of(CONTENTS[name], name) is None
    assert kind_of(CONTENTS[name] + b'trailing', name) is None  # some cameras append data


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), share=st.floats(0, 1, exclude_max=True))
def test_truncated_anywhere(name, share):
    check_truncated(CONTENTS[name][: int(len(CONTENTS[name]) * share)], name)


@pytest.mark.parametrize('name', FORMATS)
@pytest.mark.parametrize('lost', [1, 2, 3, 4, 8, 12, 20])
def test_without_its_last_bytes(name, lost):
    check_truncated(CONTENTS[name][:-lost], name)


def check_truncated(content, name):
    """Either damage is found and OpenCV fails too, or no pixels are missing."""
    if kind_of(content, name):
        assert opencv(content) is None
    else:  # such as a BMP without its final padding, which only OpenCV refuses
        assert np.array_equal(pixels(content), opencv(CONTENTS[name]))


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200), start=st.sampled_from(['', *sorted(FORMATS)]))
def test_arbitrary_content_raises_nothing(content, start):
    head = CONTENTS[start][:30] if start else b''
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # as check_folder does
        find_damage(head + content, 'x.jpg')


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(['png', 'palette.png', '1.png']), data=st.data())
def test_a_flipped_bit_in_a_png(name, data):
    """Checksums reveal it, as in Pillow's verify."""
    content = bytearray(CONTENTS[name])
    place = data.draw(st.integers(8, len(content) - 13))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((OSError, SyntaxError, ValueError)):
        Image.open(io.BytesIO(bytes(content))).verify()
    assert kind_of(bytes(content), name)


@pytest.mark.parametrize(
    ('content', 'name', 'kind'),
    [
        (b'', 'jpg', 'unreadable'),
        (b'<html>404</html>', 'jpg', 'unreadable'),
        (CONTENTS['png'], 'jpg', 'misnamed'),
        (CONTENTS['jpg'], 'png', 'misnamed'),
        (CONTENTS['jpg'], 'JPEG', None),
        (CONTENTS['ppm'], 'pgm', None),
    ],
)
def test_kinds_of_damage(content, name, kind):
    assert kind_of(content, name) == kind


def test_other_formats_and_a_jpeg_of_two_images(tmp_path, photograph):
    image = Image.open(photograph)
    content = io.BytesIO()
    image.save(content, 'PCX')
    assert opencv(content.getvalue()) is None
    assert pixels(content.getvalue()) is not None  # training can use it
    assert kind_of(content.getvalue(), 'jpg') == 'misnamed'
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / 'float.tif')
    assert find_damage((tmp_path / 'float.tif').read_bytes(), 'float.tif') == (
        'unreadable',
        'its values have neither 8 nor 16 bits',
    )
    image.save(tmp_path / 'a.png', 'GIF')
    image.save(tmp_path / 'b.jpg', 'MPO', save_all=True, append_images=[image])
    gif, mpo = (tmp_path / 'a.png').read_bytes(), (tmp_path / 'b.jpg').read_bytes()
    assert find_damage(gif, 'a.png') == ('misnamed', 'it is a GIF, not a .png')
    assert find_damage(mpo, 'b.jpg') is None


def list_dataset(dataset):
    infos = map(dataset.get_data_info, range(len(dataset)))
    return [(info['img_path'], info.get('gt_label')) for info in infos]


def test_check_data_lists_the_images_of_training(tmp_path, make_image_folder):
    root = make_image_folder() / 'train'
    write(
        root,
        **{
            'class_0/a b.JPG': b'',
            'class_0/deep/er/ü.png': b'',
            'class_0/x.webp': b'',
            'class_0/y.TIFF': b'',
            'class_1/.ipynb_checkpoints/0.jpg': b'',
            '__MACOSX/class_0/._0.jpg': b'',
            'class_1/notes.txt': b'',
            'class_1/.hidden.jpg': b'',
            '.cache/y.jpg': b'',
            'stray.jpg': b'',
        },
    )
    (root / 'class_1' / 'link.jpg').symlink_to(root / 'class_0' / '0.jpg')
    (root / 'class_1' / 'broken.jpg').symlink_to(tmp_path / 'none')
    (root / 'class_2' / 'linked').symlink_to(root / 'class_1', target_is_directory=True)
    (split,) = list_splits(root)
    dataset = ImageFolder(data_root=str(root))
    ours = {
        (str(root / file), label) for file, label in zip(split.files, split.labels, strict=True)
    }
    assert ours == {*list_dataset(dataset)}
    # mmpretrain lists hidden files too, and fewer formats.
    theirs = CustomDataset(data_root=str(root))
    hidden = ['.cache', '__MACOSX']
    assert split.classes == list(dataset.CLASSES) == ['class_0', 'class_1', 'class_2']
    assert sorted([*split.classes, *hidden]) == list(theirs.CLASSES)
    names = {path for path, _ in ours}
    assert names - {path for path, _ in list_dataset(theirs)} == {
        str(root / 'class_0' / 'x.webp'),
        str(root / 'class_0' / 'y.TIFF'),
    }
    assert {path for path, _ in list_dataset(theirs)} - names == {
        str(root / path)
        for path in (
            '.cache/y.jpg',
            'class_1/.ipynb_checkpoints/0.jpg',
            'class_2/linked/.ipynb_checkpoints/0.jpg',
        )
    }
    # Hidden folders are counted by os.walk, which follows no links; class_2/linked is not hidden.
    assert split.left_out == {
        'hidden': 6,
        'not a file': 2,
        '.txt': 2,
        'outside the class folders': 1,
    }
    assert sorted((p.kind, p.path) for p in split.problems) == [
        ('ignored', 'class_1/broken.jpg'),
        ('ignored', 'class_1/notes.txt'),
        ('ignored', 'class_2/linked/broken.jpg'),
        ('ignored', 'class_2/linked/notes.txt'),
        ('ignored', 'stray.jpg'),
    ]


@pytest.mark.parametrize('labelled', [True, False])
def test_samples_have_the_order_of_mmpretrain(make_image_folder, labelled):
    root = make_image_folder() / 'train'
    paths = (
        'class_0/a/b.jpg',
        'class_0/a-b.jpg',
        'class_0/a.jpg',
        'class_1/B.PNG',
        'class_1/b.bmp',
    )
    write(root, **dict.fromkeys(paths, b''))
    arguments = dict(data_root=str(root), with_label=labelled)
    theirs, ours = CustomDataset(**arguments), ImageFolder(**arguments)
    assert list_dataset(ours) == list_dataset(theirs)
    assert len(ours) == 29
    assert ours.metainfo == theirs.metainfo


def test_imagenet_without_hidden_files(make_image_folder):
    root = make_image_folder()
    write(root, **{'train/.cache/x.jpg': b'', 'train/class_0/x.jfif': b''})
    arguments = dict(data_root=str(root), split='train', metainfo=dict(classes=['a', 'b', 'c']))
    dataset = ImageNetFolder(**arguments)
    assert len(dataset) == 25
    assert dataset.CLASSES == ['a', 'b', 'c']
    only = ImageNetFolder(**arguments, extensions=('.jfif',))  # the config overrides the list
    assert list_dataset(only) == [(str(root / 'train/class_0/x.jfif'), 0)]
    with pytest.raises(WrnError, match='has 3 class folders, but the dataset names 1000 classes'):
        ImageNetFolder(data_root=str(root), split='train')
    with pytest.raises(WrnError, match=r'val: has no images \(\.webp\)'):
        ImageNetFolder(data_root=str(root), split='val', extensions=('.webp',))


def test_which_datasets_are_replaced():
    folder = dict(type='CustomDataset', data_root='data')
    config = ConfigDict(
        type='ConcatDataset',
        datasets=[
            dict(type='RepeatDataset', times=2, dataset=folder),
            dict(type='mmpretrain.ImageNet', data_root='data', split='train'),
            dict(type=CustomDataset, data_root='data'),
            dict(type='CustomDataset', data_root='s3://bucket/data'),
            dict(type='CIFAR10', data_root='data'),
        ],
    )
    use_image_folders(config)
    repeated, *others = config.datasets
    assert repeated.dataset.type is ImageFolder
    types = [dataset.type for dataset in others]
    assert types == [ImageNetFolder, ImageFolder, 'CustomDataset', 'CIFAR10']


def test_hidden_folders_are_not_classes(make_image_folder, capsys):
    root = make_image_folder()
    image = (root / 'train/class_0/0.jpg').read_bytes()
    for name in ('.ipynb_checkpoints', '__MACOSX', 'class_1/.ipynb_checkpoints'):
        write(root, **{f'train/{name}/1.jpg': image, f'{name}/2.jpg': image})
    write(root, **{'val/class_0/._0.jpg': b''})
    main(['check-data', str(root)])
    output, errors = capsys.readouterr()
    assert output.splitlines() == [
        'train: 24 images in 3 classes',
        'val: 12 images in 3 classes',
        'no problems found',
    ]
    assert errors.strip() == f'wrn: {root}: left out 7 files: 7 hidden'


def test_a_clean_folder(make_image_folder, capsys):
    root = make_image_folder()
    main(['check-data', str(root), '--workers', '2'])
    output = capsys.readouterr().out.splitlines()
    assert output == [
        'train: 24 images in 3 classes',
        'val: 12 images in 3 classes',
        'no problems found',
    ]


def test_every_kind_of_problem_is_found(make_image_folder, tmp_path, fails, capsys):
    root = make_image_folder(train=70)  # more than a thread processes at a time
    train, val = root / 'train', root / 'val'
    shutil.copy(train / 'class_0' / '0.jpg', train / 'class_0' / 'z.jpg')
    shutil.copy(train / 'class_0' / '1.jpg', train / 'class_1' / 'z.jpg')
    shutil.copy(train / 'class_0' / '2.jpg', val / 'class_0' / 'z.jpg')
    shutil.copy(train / 'class_0' / '3.jpg', val / 'class_1' / 'y.png')
    write(
        root,
        **{
            'train/class_2/cut.jpg': CONTENTS['jpg'][:-9],
            'train/class_2/ü empty.png': b'',
            'train/class_2/also empty.png': b'',
            'val/class_2/Thumbs.db': b'x',
        },
    )
    (train / 'class_3').mkdir()
    expected = {
        ('duplicate', 'train/class_0/z.jpg'): 1,
        ('conflict', 'train/class_1/z.jpg'): 1,
        ('leak', 'val/class_0/z.jpg'): 1,
        ('leak', 'val/class_1/y.png'): 1,
        ('conflict', 'val/class_1/y.png'): 1,
        ('misnamed', 'val/class_1/y.png'): 1,
        ('truncated', 'train/class_2/cut.jpg'): 1,
        ('unreadable', 'train/class_2/ü empty.png'): 1,
        ('unreadable', 'train/class_2/also empty.png'): 1,
        ('ignored', 'val/class_2/Thumbs.db'): 1,
        ('empty', 'train/class_3'): 1,
        ('classes', 'val/class_3'): 1,
    }
    assert found(root) == expected
    for out in (tmp_path / 'r.json', tmp_path / 'r.csv'):
        assert f'{root}: 12 problems found; see {out}' in fails('check-data', root, '--out', out)
    printed = capsys.readouterr().out
    assert all(kind in printed for kind in {kind for kind, _ in expected})
    report = json.loads((tmp_path / 'r.json').read_text())
    assert {(p['kind'], p['path']) for p in report['problems']} == set(expected)
    assert report['splits']['train']['files'] == 70 * 3 + 5
    with (tmp_path / 'r.csv').open(newline='') as file:
        assert list(csv.DictReader(file)) == report['problems']
    assert {kind for kind, _ in expected} <= set(KINDS)


def test_classes_are_compared_by_name(make_image_folder):
    """The labels of a split with a missing class differ; copies must not become conflicts."""
    root = make_image_folder(train=2, val=1)
    shutil.rmtree(root / 'val' / 'class_0')
    shutil.copy(root / 'train' / 'class_2' / '0.jpg', root / 'val' / 'class_2' / 'z.jpg')
    assert found(root) == {('classes', 'val/class_0'): 1, ('leak', 'val/class_2/z.jpg'): 1}


def test_annotation_files(make_image_folder, tmp_path, fails):
    root = make_image_folder()
    (root / 'meta').mkdir()
    (root / 'meta' / 'train.txt').write_text('class_0/0.jpg 0\nclass_1/0.jpg 1\n')
    splits = {split.name: split for split in list_splits(root)}
    theirs = ImageNet(data_root=str(root), split='train')
    assert splits['train'].labels == theirs.get_gt_labels().tolist() == [0, 1]
    assert [str(root / f) for f in splits['train'].files] == [
        theirs.get_data_info(i)['img_path'] for i in range(2)
    ]
    assert splits['val'].classes == ['class_0', 'class_1', 'class_2']

    lines = tmp_path / 'lines.txt'
    lines.write_text('class_0/0.jpg 0\nno such.jpg 1\nclass_0/0.jpg 1\n\nclass_1/0.jpg -1\n')
    assert found(root / 'train', lines) == {
        ('missing', 'no such.jpg'): 1,
        ('conflict', 'class_0/0.jpg'): 1,
        ('annotation', str(lines)): 2,
    }
    assert 'line 4 is not' in check_folder(root / 'train', lines).problems[0].reason
    assert 'none.txt: cannot be read' in fails(
        'check-data', root, '--ann-file', tmp_path / 'none.txt'
    )


def test_a_test_split_without_labels(make_image_folder):
    root = make_image_folder(train=1, val=1)
    (root / 'test').mkdir()
    shutil.copy(root / 'train' / 'class_0' / '0.jpg', root / 'test' / 'x.jpg')
    assert found(root) == {('leak', 'test/x.jpg'): 1}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none'], 'none: cannot be read (No such file or directory)'),
        (['empty'], 'empty: has no images'),
        (['empty', '--workers', '0'], '--workers 0: must be at least 1'),
        (['empty', '--out', 'x.txt'], '--out x.txt: the report is written as .json, .csv'),
        (['empty', '--out', 'none/x.csv'], 'the folder does not exist'),
    ],
)
def test_mistakes(fails, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    assert message in fails('check-data', *arguments)


def test_file_names_that_are_not_utf_8(tmp_path, fails):
    """Linux allows any bytes in a name; the report has the same bytes."""
    name = b'\xff\xfe.jpg'.decode(errors='surrogateescape')
    write(tmp_path, **{f'data/a/{name}': b'', 'data/a/[bold].jpg': b''})
    fails('check-data', tmp_path / 'data', '--out', tmp_path / 'r.csv')
    assert b'unreadable,a/\xff\xfe.jpg,' in (tmp_path / 'r.csv').read_bytes()
    fails('check-data', tmp_path / 'data', '--out', tmp_path / 'r.json')
    paths = {p['path'] for p in json.loads((tmp_path / 'r.json').read_text())['problems']}
    assert paths == {f'a/{name}', 'a/[bold].jpg'}


@pytest.mark.parametrize('name', ['val', 'valid', 'validation'])
def test_folders_beside_train(tmp_path, name):
    image = CONTENTS['jpg']
    write(tmp_path, **{'train/a/1.jpg': image, f'{name}/a/2.jpg': encode('jpg', 1)})
    write(tmp_path, **{'extra/a/3.jpg': encode('jpg', 2), '.cache/4.jpg': image, 'meta/x': b''})
    assert [split.name for split in list_splits(tmp_path)] == ['train', name]
    assert found(tmp_path) == {('ignored', 'extra'): 1}


def test_classes_can_be_named_like_splits(tmp_path):
    write(tmp_path, **{'valid/1.jpg': CONTENTS['jpg'], 'void/2.jpg': encode('jpg', 1)})
    (split,) = list_splits(tmp_path)
    assert split.classes == ['valid', 'void']


LOOPS = {  # links and their targets, then the endless paths
    'above': ({'train/a/loop': '../..'}, 'train/a/loop'),
    'a class': ({'train/c': '..'}, 'train/c'),
    'itself': ({'train/a/loop': 'loop'}, 'train/a/loop'),
    'a class, itself': ({'train/c': 'c'}, 'train/c'),
    'each other': ({'train/a/x': '../b', 'train/b/y': '../a'}, 'train/a/x/y', 'train/b/y/x'),
    'of a test set': ({'test/loop': '.'}, 'test/loop'),
}


# When mmengine fails, it leaves folders open.
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.parametrize('name', LOOPS)
def test_endless_links(tmp_path, name):
    write(tmp_path, **{'train/a/1.jpg': CONTENTS['jpg'], 'train/b/2.jpg': encode('jpg', 1)})
    write(tmp_path, **{'test/3.jpg': encode('jpg', 2), 'other/4.jpg': encode('jpg', 3)})
    (tmp_path / 'train' / 'b' / 'other').symlink_to('../../other')  # not endless
    links, *endless = LOOPS[name]
    for path, target in links.items():
        (tmp_path / path).symlink_to(target)
    data = dict(data_root=str(tmp_path / endless[0].split('/')[0]))
    with pytest.raises(OSError, match='Too many levels of symbolic links'):
        CustomDataset(**data)
    labelled = not endless[0].startswith('test')
    with pytest.raises(WrnError, match='a link to itself or to a folder that contains it'):
        ImageFolder(**data, with_label=labelled)
    problems = found(tmp_path)
    assert {path for kind, path in problems if kind == 'unreadable'} == {*endless}
    files = {file for split in list_splits(tmp_path) for file in split.files}
    assert {'train/a/1.jpg', 'train/b/2.jpg', 'train/b/other/4.jpg', 'test/3.jpg'} <= files
    if len(endless) == 1:
        assert set(problems) == {('unreadable', *endless), ('ignored', 'other')}
