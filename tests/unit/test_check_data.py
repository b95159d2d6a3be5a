"""`wrn check-data` finds all problems of a data folder, and reports no others."""

import csv
import json
import shutil

import pytest
from image_files import CONTENTS, encode, found, write
from mmpretrain.datasets import ImageNet

from wrn.data.check_folder import KINDS, check_folder
from wrn.data.image_folder import ImageFolder
from wrn.data.listing import list_splits
from wrn_base.cli import main


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
    assert errors.strip() == f'wrn: {root}: left out 7 files: 7 hidden images'


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
        ('empty', 'train/class_3'): 1,
        ('classes', 'val/class_3'): 1,
    }
    assert found(root) == expected
    for out in (tmp_path / 'r.json', tmp_path / 'r.csv'):
        assert f'{root}: 11 problems found; see {out}' in fails('check-data', root, '--out', out)
    printed = capsys.readouterr().out
    assert all(kind in printed for kind in {kind for kind, _ in expected})
    report = json.loads((tmp_path / 'r.json').read_text())
    assert {(p['kind'], p['path']) for p in report['problems']} == set(expected)
    assert report['splits']['train']['files'] == 70 * 3 + 5
    with (tmp_path / 'r.csv').open(newline='') as file:
        assert list(csv.DictReader(file)) == report['problems'] + report['notes']
    assert {kind for kind, _ in expected} <= set(KINDS)


def test_files_that_are_no_images_are_no_problem(make_image_folder, tmp_path, capsys, fails):
    """They are counted in one line, and listed in the reports."""
    root = make_image_folder(train=2, val=1)
    write(root, **{'train/class_0/Thumbs.db': b'x', 'README.docx': b'x', 'train/.DS_Store': b'x'})
    write(root, **{'train/class_1/._a.png': b'x'})
    main(['check-data', str(root), '--out', str(tmp_path / 'r.json')])
    output, errors = capsys.readouterr()
    assert output.splitlines()[-1] == 'no problems found'
    assert errors == f'wrn: {root}: left out 3 files: 1 .db, 1 hidden image, 1 .docx\n'
    report = json.loads((tmp_path / 'r.json').read_text())
    assert report['problems'] == []
    assert {(n['kind'], n['path']) for n in report['notes']} == {
        ('other', 'train/class_0/Thumbs.db'),
        ('other', 'README.docx'),
    }
    write(root, **{'train/class_0/scan.DCM': b'x'})  # an image, which is not read
    assert '1 problem found' in fails('check-data', root)


def test_class_folders_that_differ_only_in_case(make_image_folder):
    root = make_image_folder(train=2, val=1)
    for split in ('train', 'val'):
        (root / split / 'class_0').rename(root / split / 'Class_1')
    problems = {(p.kind, p.path): p.reason for p in check_folder(root).problems}
    assert problems.keys() == {('classes', 'train/class_1'), ('classes', 'val/class_1')}
    reason = problems['classes', 'train/class_1']
    assert reason.startswith("differs only in case or Unicode form from 'Class_1', and ")


def test_a_class_folder_with_one_image_is_noted(make_image_folder, capsys):
    root = make_image_folder(train=2, val=1)  # one image of a class is enough in val
    assert check_folder(root).notes == []
    (root / 'train/class_0/0.jpg').unlink()
    main(['check-data', str(root)])
    output, errors = capsys.readouterr()
    assert output.splitlines()[-1] == 'no problems found'
    assert '1 class folder has 1 image (train/class_0), too few to train with; add' in errors
    assert [note[:2] for note in check_folder(root).notes] == [('single', 'train/class_0')]


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
        ('annotation', str(lines)): 1,
    }
    assert 'line 5 is not' in check_folder(root / 'train', lines).problems[0].reason
    assert 'none.txt: cannot be read' in fails(
        'check-data', root, '--ann-file', tmp_path / 'none.txt'
    )


def test_labels_that_count_from_1(make_image_folder, tmp_path, fails):
    root = make_image_folder(train=1, val=1)
    lines = tmp_path / 'lines.txt'
    lines.write_text('class_0/0.jpg 1\nclass_1/0.jpg 2\nclass_2/0.jpg 3\n')
    assert found(root / 'train', lines) == {('labels', str(lines)): 1}
    assert '1 problem found' in fails('check-data', root / 'train', '--ann-file', lines)


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
        (['empty', '--out', '/dev/null/x.csv'], '--out /dev/null/x.csv: cannot be written'),
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


LOOPS = {  # links and their targets, then those that are left out
    'above': ({'train/a/loop': '../..'}, 'train/a/loop'),
    'a class': ({'train/c': '..'}, 'train/c'),
    'itself': ({'train/a/loop': 'loop'}, 'train/a/loop'),
    'a class, itself': ({'train/c': 'c'}, 'train/c'),
    'each other': ({'train/a/x': '../b', 'train/b/y': '../a'}, 'train/a/x', 'train/b/y'),
    'of a test set': ({'test/loop': '.'}, 'test/loop'),
}


@pytest.mark.parametrize('name', LOOPS)
def test_endless_links(tmp_path, name):
    write(tmp_path, **{'train/a/1.jpg': CONTENTS['jpg'], 'train/b/2.jpg': encode('jpg', 1)})
    write(tmp_path, **{'test/3.jpg': encode('jpg', 2), 'other/4.jpg': encode('jpg', 3)})
    (tmp_path / 'train' / 'b' / 'other').symlink_to('../../other')  # not endless
    links, *left_out = LOOPS[name]
    for path, target in links.items():
        (tmp_path / path).symlink_to(target)
    labeled = not left_out[0].startswith('test')
    dataset = ImageFolder(
        data_root=str(tmp_path / left_out[0].split('/')[0]), with_label=labeled, lazy_init=False
    )
    assert len(dataset) == (3 if labeled else 1)
    assert found(tmp_path) == {('ignored', path): 1 for path in (*left_out, 'other')}
    files = {file for split in list_splits(tmp_path) for file in split.files}
    assert files == {'train/a/1.jpg', 'train/b/2.jpg', 'train/b/other/4.jpg', 'test/3.jpg'}
