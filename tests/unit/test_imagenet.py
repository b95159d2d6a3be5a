"""ImageNet's archives become the folders that torchvision makes and mmpretrain reads."""

import io
import os
import shutil
import tarfile
from collections import namedtuple

import numpy as np
import pytest
import torchvision
from mmpretrain.datasets import ImageNet
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from PIL import Image
from scipy.io import savemat
from timm.data import ImageNetInfo
from torchvision.datasets.imagenet import ARCHIVE_META

from wrn.data import imagenet
from wrn.data.check_folder import check_folder
from wrn.data.imagenet import prepare_imagenet
from wrn.utils.files import hash_file
from wrn_base.cli import main
from wrn_base.errors import WrnError

CLASSES = ['n02000001', 'n01000002', 'n03000003']  # not in order, as in the devkit
TRAIN, VAL, DEVKIT = (ARCHIVE_META[name][0] for name in ('train', 'val', 'devkit'))
VAL_LABELS = [2, 1, 3, 3, 2]  # counted from 1


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, 'JPEG')
    return content.getvalue()


def make_tar(path, files, mode='w'):
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:  # in a malicious archive
                info.type, info.linkname = content
                tar.addfile(info)
    return path


def make_class_tar(folder, number, count=3):
    files = {f'{CLASSES[number]}_{i}.JPEG': jpeg(10 * number + i) for i in range(count)}
    return make_tar(folder / 'class.tar', files).read_bytes()


def make_devkit(path):
    rows = [(i + 1, name, 'some, words', 'gloss', 0) for i, name in enumerate(CLASSES)]
    rows.append((4, 'n00000004', 'their parent', 'gloss', 3))
    kinds = [('ILSVRC2012_ID', 'O'), ('WNID', 'O'), ('words', 'O'), ('gloss', 'O')]
    mat = io.BytesIO()
    savemat(mat, dict(synsets=np.array(rows, dtype=[*kinds, ('num_children', 'O')])))
    labels = '\n'.join(map(str, VAL_LABELS)) + '\n'
    files = {'meta.mat': mat.getvalue(), 'ILSVRC2012_validation_ground_truth.txt': labels.encode()}
    prefix = 'ILSVRC2012_devkit_t12/data/'
    make_tar(path, {prefix + name: content for name, content in files.items()}, 'w:gz')


@pytest.fixture
def archives(tmp_path):
    """The three official archives, of three classes."""
    folder = tmp_path / 'archives'
    folder.mkdir()
    files = {f'{name}.tar': make_class_tar(tmp_path, i) for i, name in enumerate(CLASSES)}
    make_tar(folder / TRAIN, files)
    names = [f'ILSVRC2012_val_{i:08}.JPEG' for i in range(1, 6)]
    make_tar(folder / VAL, {name: jpeg(100 + i) for i, name in reversed([*enumerate(names)])})
    make_devkit(folder / DEVKIT)
    return folder


@pytest.fixture
def official(archives, monkeypatch):
    """Make their hashes the official ones, in torchvision and therefore in wrn."""
    for kind, (name, _) in list(ARCHIVE_META.items()):
        monkeypatch.setitem(ARCHIVE_META, kind, (name, hash_file(archives / name, 'md5')))


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob('*.JPEG')}


@pytest.mark.filterwarnings('ignore:Python 3.14 will, by default, filter:DeprecationWarning')
def test_the_same_folders_as_torchvision(archives, tmp_path, official, capsys):
    main(['prepare-imagenet', str(archives), str(tmp_path / 'out'), '--verify'])
    assert 'out: is ready' in capsys.readouterr().out
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {'train', 'val'}
    theirs = shutil.copytree(archives, tmp_path / 'torchvision')
    for split in ('train', 'val'):
        data = torchvision.datasets.ImageNet(str(theirs), split)
        assert tree(tmp_path / 'out' / split) == tree(theirs / split)
        read = ImageNet(data_root=str(tmp_path / 'out'), split=split, metainfo=dict(classes='abc'))
        samples = [read.get_data_info(i) for i in range(len(read))]
        assert [
            (s['img_path'].replace('out', 'torchvision'), s['gt_label']) for s in samples
        ] == data.imgs
    assert not check_folder(tmp_path / 'out').problems


def test_the_order_of_the_classes():
    """Sorted folders have the order of mmpretrain's class names, and of published weights."""
    info = ImageNetInfo()
    folders = info.label_names()
    assert folders == sorted(folders)
    lemmas = [set(name.split(', ')) for name in info.label_descriptions(detailed=False)]
    differ = [
        i
        for i, (ours, name) in enumerate(zip(lemmas, IMAGENET_CATEGORIES, strict=True))
        if not ours & set(name.split(', '))
    ]
    assert differ == []


@pytest.mark.parametrize('stop', range(1, 9))
def test_an_interrupted_call_is_resumed(archives, tmp_path, stop):
    """An interrupted call leaves only complete classes; the next call makes the others."""
    prepare_imagenet(archives, tmp_path / 'whole')
    whole = tree(tmp_path / 'whole')

    out = tmp_path / 'out'
    calls = []

    def track(items, what):
        for item in items:
            calls.append(item)
            if len(calls) == stop:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        prepare_imagenet(archives, out, track=track)
    seen = tree(out)
    assert {path.parent for path in whole} >= {path.parent for path in seen}
    for folder in {path.parent for path in seen}:
        assert {p for p in seen if p.parent == folder} == {p for p in whole if p.parent == folder}
    assert (out / 'val').exists() is False
    # A killed process leaves a class half written.
    (out / '.incomplete' / CLASSES[2]).mkdir(parents=True)
    (out / '.incomplete' / CLASSES[2] / f'{CLASSES[2]}_0.JPEG').write_bytes(b'half')
    prepare_imagenet(archives, out)
    assert tree(out) == whole
    assert {p.name for p in out.iterdir()} == {'train', 'val'}


def test_existing_folders_are_left_alone(archives, tmp_path):
    out = tmp_path / 'out'
    prepare_imagenet(archives, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    prepare_imagenet(archives, out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*')} == before


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('../n01000002.tar', b''),
        ('/tmp/n01000002.tar', b''),
        ('n01000002.tar', (tarfile.SYMTYPE, '/etc/passwd')),
        ('n01000002.tar', (tarfile.LNKTYPE, '/etc/passwd')),
        ('n01000002.tar', (tarfile.CHRTYPE, '')),
        ('notes.txt', b''),
        ('n01000002.tar', b'no tar'),
        ('n01000002.tar', '../x.JPEG'),
        ('n01000002.tar', 'a/x.JPEG'),
        ('n01000002.tar', '.JPEG'),
    ],
)
def test_a_malicious_archive_is_refused(tmp_path, name, content):
    """Only names like those of the official files are accepted, so none leads out of the folder."""
    if isinstance(content, str):
        content = make_tar(tmp_path / 'inner.tar', {content: b'x'}).read_bytes()
    make_tar(tmp_path / TRAIN, {name: content})
    before = {*tmp_path.iterdir()}
    with pytest.raises(WrnError, match='is damaged or not the official file'):
        prepare_imagenet(tmp_path, tmp_path / 'out')
    assert {*tmp_path.iterdir()} - before == {tmp_path / 'out'}
    assert not any(path.is_file() for path in (tmp_path / 'out').rglob('*'))


@pytest.mark.parametrize('name', [TRAIN, VAL, DEVKIT])
@pytest.mark.parametrize('share', [0, 0.05, 0.3, 0.6])  # the rest may be zeros
def test_a_truncated_archive_is_reported(archives, tmp_path, name, share):
    """No incomplete class or validation set is left."""
    prepare_imagenet(archives, tmp_path / 'whole')
    whole = tree(tmp_path / 'whole')
    path = archives / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WrnError, match=f'{name}: '):
        prepare_imagenet(archives, tmp_path / 'out')
    seen = tree(tmp_path / 'out')
    for folder in {path.parent for path in seen}:
        assert {p for p in seen if p.parent == folder} == {p for p in whole if p.parent == folder}


def test_some_of_the_archives(archives, tmp_path):
    (archives / VAL).rename(tmp_path / 'val.tar')
    (archives / DEVKIT).rename(tmp_path / 'devkit')
    prepare_imagenet(archives, tmp_path / 'out')
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {'train'}
    (archives / TRAIN).unlink()
    (tmp_path / 'val.tar').rename(archives / VAL)
    with pytest.raises(WrnError, match=f'{DEVKIT}: not found'):
        prepare_imagenet(archives, tmp_path / 'out')
    (tmp_path / 'devkit').rename(archives / DEVKIT)
    prepare_imagenet(archives, tmp_path / 'out')
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {'train', 'val'}


def test_mistakes(archives, tmp_path, fails, monkeypatch):
    out = tmp_path / 'out'
    assert "neither ImageNet's archives" in fails('prepare-imagenet', tmp_path / 'none', out)
    error = fails('prepare-imagenet', archives, out, '--verify')
    assert f'wrong MD5 (expected {ARCHIVE_META["train"][1]}); download it again' in error
    (tmp_path / 'file').write_text('')
    assert 'file' in fails('prepare-imagenet', archives, tmp_path / 'file' / 'out')
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr(imagenet.shutil, 'disk_usage', lambda path: usage(9, 8, 1000))
    assert f'{out}: 0.0 GB are needed, but the disk has' in fails('prepare-imagenet', archives, out)
    assert not out.exists() or not tree(out)


@pytest.fixture
def kaggle(archives, tmp_path):
    """The same images in Kaggle's layout."""
    root = tmp_path / 'kaggle'
    images = root / 'ILSVRC' / 'Data' / 'CLS-LOC'
    prepare_imagenet(archives, tmp_path / 'folders')
    shutil.copytree(tmp_path / 'folders' / 'train', images / 'train')
    (images / 'val').mkdir(parents=True)
    rows = ['ImageId,PredictionString']
    for path in (tmp_path / 'folders' / 'val').rglob('*.JPEG'):
        shutil.copy(path, images / 'val')
        rows.append(f'{path.stem},{path.parent.name} 85 1 499 272 {path.parent.name} 1 2 3 4 ')
    (root / 'LOC_val_solution.csv').write_text('\n'.join(rows) + '\n')
    return root


def test_hidden_folders_do_not_change_labels_of_kaggle(kaggle, tmp_path):
    prepare_imagenet(kaggle, tmp_path / 'out')
    expected = (tmp_path / 'out' / 'meta' / 'val.txt').read_text()
    (kaggle / 'ILSVRC' / 'Data' / 'CLS-LOC' / 'train' / '.ipynb_checkpoints').mkdir()
    prepare_imagenet(kaggle, tmp_path / 'again')
    assert (tmp_path / 'again' / 'meta' / 'val.txt').read_text() == expected


def test_the_layout_of_kaggle(kaggle, tmp_path, fails):
    for _ in range(2):  # a second call changes nothing
        prepare_imagenet(kaggle, tmp_path / 'out')
    assert (tmp_path / 'out' / 'train').is_symlink()
    for split in ('train', 'val'):
        folders, links = (
            ImageNet(data_root=str(tmp_path / root), split=split, metainfo=dict(classes='abc'))
            for root in ('folders', 'out')
        )
        labels = [
            {
                s['img_path'].rpartition('/')[2]: s['gt_label']
                for s in map(data.get_data_info, range(len(data)))
            }
            for data in (folders, links)
        ]
        assert labels[0] == labels[1]
    assert not check_folder(tmp_path / 'out').problems

    command = ('prepare-imagenet', kaggle, tmp_path / 'folders')
    assert 'folders/train: exists; add --overwrite to replace it' in fails(*command)
    assert not (tmp_path / 'folders' / 'meta').exists()
    labels = tmp_path / 'out' / 'meta' / 'val.txt'
    labels.write_text('of another download')
    assert f'{labels}: exists; ' in fails('prepare-imagenet', kaggle, tmp_path / 'out')
    for name in ('folders', 'out'):
        prepare_imagenet(kaggle, tmp_path / name, overwrite=True)
        assert (tmp_path / name / 'train').is_symlink()
        assert 'another' not in (tmp_path / name / 'meta' / 'val.txt').read_text()
    solution = kaggle / 'LOC_val_solution.csv'
    solution.write_text('ImageId,PredictionString\nILSVRC2012_val_00000001,n09 1 2\n')
    assert "line 2: 'n09' is not in train" in fails('prepare-imagenet', kaggle, tmp_path / 'x')
    solution.unlink()
    assert f'{solution}: cannot be read' in fails('prepare-imagenet', kaggle, tmp_path / 'x')
    os.mkfifo(solution)
    assert f'{solution}: cannot be read' in fails('prepare-imagenet', kaggle, tmp_path / 'x')
