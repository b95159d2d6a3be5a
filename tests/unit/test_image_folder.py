"""Datasets of class folders list images by the rules of this package."""

import pytest
from image_files import write
from mmengine.config import ConfigDict
from mmpretrain.datasets import CustomDataset

from wrn.data.image_folder import ImageFolder, ImageNetFolder, use_image_folders
from wrn.data.listing import list_splits
from wrn_base.errors import WrnError


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
    linked = f'{root}/class_2/linked/'  # the images of class_1 are not those of class_2, too
    more = {path for path, _ in list_dataset(theirs)} - names
    assert {path for path in more if not path.startswith(linked)} == {
        str(root / path) for path in ('.cache/y.jpg', 'class_1/.ipynb_checkpoints/0.jpg')
    }
    assert split.left_out == {
        'hidden': 4,
        'not a file': 1,
        '.txt': 1,
        'linked to a folder that is read already': 1,
        'outside the class folders': 1,
    }
    assert sorted((p.kind, p.path) for p in split.problems) == [
        ('ignored', 'class_1/broken.jpg'),
        ('ignored', 'class_2/linked'),
        ('ignored', 'stray.jpg'),
        ('other', 'class_1/notes.txt'),
    ]


@pytest.mark.parametrize('labeled', [True, False])
def test_samples_have_the_order_of_mmpretrain(make_image_folder, labeled):
    root = make_image_folder() / 'train'
    paths = (
        'class_0/a/b.jpg',
        'class_0/a-b.jpg',
        'class_0/a.jpg',
        'class_1/B.PNG',
        'class_1/b.bmp',
    )
    write(root, **dict.fromkeys(paths, b''))
    arguments = dict(data_root=str(root), with_label=labeled)
    theirs, ours = CustomDataset(**arguments), ImageFolder(**arguments)
    assert list_dataset(ours) == list_dataset(theirs)
    assert len(ours) == 29
    assert ours.metainfo == theirs.metainfo


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
@pytest.mark.parametrize('separator', [' ', '\t', '  '])
def test_annotation_files_of_any_editor(tmp_path, encoding, separator):
    lines = [f'a b.png{separator}0', '', f'猫/é.png{separator}12 ', '  ']
    (tmp_path / 'list.txt').write_bytes('\r\n'.join(lines).encode(encoding))
    dataset = ImageFolder(data_root=str(tmp_path), ann_file='list.txt')
    expected = [(str(tmp_path / 'a b.png'), 0), (str(tmp_path / '猫/é.png'), 12)]
    assert list_dataset(dataset) == expected


def test_an_annotation_file_that_is_not_text(tmp_path):
    (tmp_path / 'list.txt').write_bytes('a.png 0'.encode('utf-16-le'))
    with pytest.raises(WrnError, match=r'list.txt: cannot be read \(.*\)'):
        ImageFolder(data_root=str(tmp_path), ann_file='list.txt')


def test_imagenet_without_hidden_files(make_image_folder):
    root = make_image_folder()
    write(root, **{'train/.cache/x.jpg': b'', 'train/class_0/x.jfif': b''})
    arguments = dict(data_root=str(root), split='train', metainfo=dict(classes=['a', 'b', 'c']))
    dataset = ImageNetFolder(**arguments)
    assert len(dataset) == 25
    assert dataset.CLASSES == ['a', 'b', 'c']
    only = ImageNetFolder(**arguments, extensions=('.jfif',))  # the config overrides the list
    assert list_dataset(only) == [(str(root / 'train/class_0/x.jfif'), 0)]
    with pytest.raises(
        WrnError, match='has 3 class folders, but the dataset has 1000 classes; set'
    ):
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
