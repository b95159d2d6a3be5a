"""The splits and labels of the images of a data folder."""

import os
import shutil

import pytest
from mmpretrain.registry import DATASETS

from wrn.data.splitting import find_splits
from wrn_base.errors import WrnError


@pytest.fixture
def fill(tmp_path, photograph):
    """Fill class folders with a number of images each; return the data folder."""

    def fill(folder='', **counts):
        for name, count in counts.items():
            path = tmp_path / 'data' / folder / name
            path.mkdir(parents=True)
            for i in range(count):
                (path / f'{name} {i}.jpg').symlink_to(photograph)
        return tmp_path / 'data'

    return fill


def paths(images):
    return {path for path, _ in images}


def test_validation_gets_a_share_of_each_class(fill):
    folder = fill(cat=10, dog=5, eel=2, fox=1)
    splits = find_splits(folder)
    assert splits.classes == ['cat', 'dog', 'eel', 'fox']
    assert splits.drawn
    assert not splits.tests_apart
    train, val = splits.images['train'], splits.images['val']
    assert [sum(label == i for _, label in val) for i in range(4)] == [2, 1, 1, 0]
    assert [sum(label == i for _, label in train) for i in range(4)] == [8, 4, 1, 1]
    assert splits.only_trained == ['fox']
    assert not paths(train) & paths(val)
    assert len(paths(train) | paths(val)) == 18
    for path, label in train + val:
        assert path.split('/')[0] == splits.classes[label]
    assert find_splits(folder).images == splits.images
    others = [find_splits(folder, seed=seed).images['val'] for seed in range(1, 5)]
    assert any(other != val for other in others)


@pytest.mark.parametrize('name', ['val', 'valid', 'validation'])
def test_folders_for_the_splits(fill, name):
    fill('train', cat=3, dog=4, eel=1)
    fill('test', dog=2)
    splits = find_splits(fill(name, dog=1, eel=2))
    assert not splits.drawn
    assert splits.tests_apart
    assert splits.images['val'] == [
        (f'{name}/dog/dog 0.jpg', 1),
        (f'{name}/eel/eel 0.jpg', 2),
        (f'{name}/eel/eel 1.jpg', 2),
    ]
    assert [label for _, label in splits.images['test']] == [1, 1]
    assert len(splits.images['train']) == 8


def test_case_of_the_splits_makes_no_difference(fill, caplog):
    fill('Train', cat=3, dog=4)
    fill('TEST', dog=2)
    with caplog.at_level('INFO', 'wrn'):
        splits = find_splits(fill('Validation', dog=1))
    assert splits.classes == ['cat', 'dog']
    assert splits.images['val'] == [('Validation/dog/dog 0.jpg', 1)]
    assert splits.images['test'] == [(f'TEST/dog/dog {i}.jpg', 1) for i in range(2)]
    assert 'TEST is taken as the split test' in caplog.text


@pytest.mark.parametrize('others', [['Bus', 'Train'], ['Control', 'Test']])
def test_a_class_may_be_named_like_a_split(fill, others):
    assert find_splits(fill(**dict.fromkeys(others, 3))).classes == others


def test_a_test_folder_without_classes_is_not_tested(fill, photograph):
    folder = fill('train', cat=5, dog=5)
    (folder / 'test').mkdir()
    shutil.copy(photograph, folder / 'test')
    splits = find_splits(folder)
    assert splits.drawn
    assert not splits.tests_apart


def test_all_formats_but_no_hidden_files(fill, photograph):
    folder = fill(cat=4, dog=4)
    for name in ('cat/x.webp', 'dog/y.tiff', 'dog/z.GIF', 'cat/._x.webp', 'cat/a.txt', 'b.txt'):
        shutil.copy(photograph, folder / name)
    for name in ('.ipynb_checkpoints', '__MACOSX'):
        (folder / name / 'cat').mkdir(parents=True)
        shutil.copy(photograph, folder / name / 'cat' / 'x.jpg')
    splits = find_splits(folder)
    assert splits.classes == ['cat', 'dog']
    every = paths(splits.images['train']) | paths(splits.images['val'])
    assert {'cat/x.webp', 'dog/y.tiff', 'dog/z.GIF'} < every
    assert len(every) == 11
    assert str(splits.left_out) == 'left out 5 files: 3 hidden images, 2 .txt'


def test_files_and_folders_beside_the_splits_are_counted(fill):
    folder = fill('train', cat=2, dog=2)
    fill('extra', cat=3)
    for name in ('stray.jpg', 'notes.txt', '.DS_Store'):
        (folder / name).write_bytes(b'')
    left_out = str(find_splits(folder).left_out)
    assert left_out == 'left out 5 files: 4 outside the class folders, 1 .txt'


def test_a_folder_of_classes_may_be_named_like_a_split(fill):
    fill('val', cat=2, dog=2)
    splits = find_splits(fill('test', cat=1, dog=1) / 'val')
    assert splits.classes == ['cat', 'dog']
    assert splits.drawn


def test_mmpretrain_reads_the_lists(fill, tmp_path):
    splits = find_splits(fill(cat=6, dog=4, **{' eel': 2}))
    splits.write(tmp_path)
    assert splits.find_different(tmp_path) == []
    for split, images in splits.images.items():
        config = dict(
            type='CustomDataset',
            data_root='',
            data_prefix=str(splits.folder),
            ann_file=str(tmp_path / f'{split}.txt'),
            metainfo=dict(classes=splits.classes),
            pipeline=[],
        )
        dataset = DATASETS.build(config)
        read = [
            (info['img_path'], info['gt_label'])
            for info in map(dataset.get_data_info, range(len(dataset)))
        ]
        paths = [(os.path.normpath(path), label) for path, label in read]
        assert paths == [(f'{splits.folder}/{path}', label) for path, label in images]
    others = find_splits(splits.folder, seed=1).find_different(tmp_path)
    assert [path.name for path in others] == ['train.txt', 'val.txt', 'test.txt']
    (tmp_path / 'train.txt').unlink()
    os.mkfifo(tmp_path / 'train.txt')
    assert splits.find_different(tmp_path) == [tmp_path / 'train.txt']


@pytest.mark.parametrize(
    ('folders', 'message'),
    [
        ({'': dict(cat=3)}, 'has one class folder to train with'),
        ({'': dict(cat=3, dog=0)}, 'has no training images of dog'),
        ({'': dict(cat=1, dog=1)}, 'has no validation images'),
        ({'val': dict(cat=1, dog=1)}, 'the folder train is missing'),
        (
            {'train': dict(cat=1, dog=1), 'val': dict(cat=1), 'valid': dict(cat=1)},
            'has both val and valid',
        ),
        (
            {'train': dict(cat=2, dog=2), 'Train': dict(cat=1, dog=1)},
            'has both Train and train; keep one of them',
        ),
        (
            {'train': dict(cat=1, dog=1), 'val': dict(cow=1)},
            'val has 1 class that train does not have: cow; give',
        ),
    ],
)
def test_folders_that_cannot_be_used_for_training(fill, folders, message):
    for folder, counts in folders.items():
        data = fill(folder, **counts)
    with pytest.raises(WrnError, match=message):
        find_splits(data)


def test_annotation_files_are_refused(fill):
    folder = fill('train', cat=2, dog=2)
    (folder / 'meta').mkdir()
    (folder / 'meta' / 'train.txt').write_text('cat/cat 0.jpg 0\ndog/dog 0.jpg 1\n')
    with pytest.raises(WrnError, match='annotation file, which does not name classes'):
        find_splits(folder)


def test_a_name_with_a_line_break(fill, photograph):
    folder = fill(cat=3, dog=3)
    shutil.copy(photograph, folder / 'cat' / 'two\nlines.jpg')
    with pytest.raises(WrnError, match='has a line break; rename the file'):
        find_splits(folder)
