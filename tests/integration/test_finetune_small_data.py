"""`wrn finetune` on three folders: an even one, one of 40 images against 3, and a mess."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score

from wrn.config.config_file import read_config

DIGITS = 'wide-resnet16-2_1xb64_digits'
pytestmark = pytest.mark.slow


IMAGES, LABELS = load_digits(return_X_y=True)


def digit(label, number):
    pixels = IMAGES[label == LABELS][number].reshape(8, 8) * (255 / 16)
    return Image.fromarray(pixels.round().astype(np.uint8))


def fill(folder, **numbers):
    for name, number in numbers.items():
        path = Path(folder, name)
        path.mkdir(parents=True)
        for i in range(number):
            digit(int(name[-1]), i).save(path / f'{i:02}.png')


@pytest.fixture
def finetune(run, tmp_path):
    def finetune(folder, *options, **kwargs):
        words = ('wrn', 'finetune', folder, '--model', DIGITS, '--workers', 0, '--epochs', 1)
        return run(*words, *options, cwd=tmp_path, **kwargs)

    return finetune


def read_report(folder):
    with (folder / 'report/confusion.csv').open(newline='') as file:
        _, *rows = csv.reader(file)
    return json.loads((folder / 'report/report.json').read_text())['metrics'], np.array(rows)[
        :, 1:
    ].astype(int)


def test_an_even_folder(finetune, tmp_path):
    fill(tmp_path / 'even', is3=80, is7=80)
    result = finetune('even')
    assert 'wrn: training images per class: is3 64, is7 64\n' in result.stderr
    for word in ('fewer', 'few', '--balance', 'times the training images'):
        assert word not in result.stderr
    metrics, confusion = read_report(tmp_path / 'work_dirs/even')
    right, total = confusion.trace(), confusion.sum()
    assert total == metrics['images'] == 32
    text = (
        rf'accuracy +{100 * right / total:.1f} % \({right} of {total}; 95 % interval \d+ to \d+\)'
    )
    assert re.search(text, result.stdout)
    assert re.search(rf'balanced accuracy +{metrics["accuracy/balanced"]:.1f} %', result.stdout)


def test_forty_images_against_three(finetune, fails, tmp_path, monkeypatch):
    fill(tmp_path / 'uneven', is3=40, is7=3)
    # A lower rate for the small batch, and weights in the loss.
    words = ('--balance', '--batch-size', 8, '--patience', 5, '--seed', 1)
    result = finetune('uneven', *words)
    error = result.stderr
    assert 'wrn: training images per class: is3 32, is7 2\n' in error
    assert 'wrn: uneven: 1 class has fewer than 10 training images (is7: 2), from which' in error
    assert 'wrn: uneven: val has 9 images, too few to choose the best epoch or measure ' in error
    assert 'wrn: uneven: is3 has 16 times the training images of is7, so accuracy hides' in error
    assert 'see the balanced accuracy\n' in error  # without advice to balance
    assert '--balance: the loss is weighted from 0.531 (is3, 32 images) to 8.5 (is7, 2' in error
    assert 'learning rate 0.01 to 0.0025, for 8 images per update instead of 32' in error
    folder = tmp_path / 'work_dirs/uneven'
    config = read_config(folder / 'run/uneven.py')
    assert config.model.head.loss.class_weight == pytest.approx([34 / 64, 34 / 4])
    assert config.custom_hooks[0].patience == 5
    metrics, confusion = read_report(folder)
    labels = np.repeat([0, 1], confusion.sum(1))
    predicted = np.concatenate([np.repeat([0, 1], row) for row in confusion])
    balanced = 100 * balanced_accuracy_score(labels, predicted)
    assert metrics['accuracy/balanced'] == pytest.approx(balanced)
    assert re.search(r'accuracy +\d+\.\d % \(\d of 9; 95 % interval \d+ to \d+\)', result.stdout)

    monkeypatch.chdir(tmp_path)
    command = ('finetune', 'uneven', '--model', DIGITS, '--epochs', 1, '--resume')
    for left_out, message in (
        ('--balance', '--balance or model.head.loss'),
        ('--patience', '--patience'),
        ('--seed', 'images, --seed, --groups or'),
    ):
        i = words.index(left_out)
        others = words[:i] + words[i + 1 + (left_out != '--balance') :]
        assert f'the run to resume had different {message}' in fails(*command, *others)
    assert 'the run to resume had different --lr' in fails(*command, *words, '--lr', 0.1)
    assert 'nothing left to do' in finetune('uneven', *words, '--resume').stderr


def test_a_mess(finetune, tmp_path):
    """Many formats, hidden files, files that are no images, and several images of a patient."""
    mess = tmp_path / 'mess'
    suffixes = ['png', 'webp', 'gif', 'tiff', 'bmp', 'PNG', 'jpg']
    for label in (3, 7):
        for patient in range(6):
            for view in range(7):
                path = mess / f'is {label}' / f'p{patient}' / f'view {view}.{suffixes[view]}'
                path.parent.mkdir(parents=True, exist_ok=True)
                digit(label, 7 * patient + view).save(path)
        (mess / f'is {label}' / '.DS_Store').write_bytes(b'x')
        (mess / f'is {label}' / 'notes.txt').write_bytes(b'x')
    (mess / '.ipynb_checkpoints' / 'is 3').mkdir(parents=True)
    digit(3, 0).save(mess / '.ipynb_checkpoints' / 'is 3' / 'a.png')
    (mess / '__MACOSX').mkdir()
    (mess / 'stray.png').write_bytes(b'')
    bad = ['is 3/p0/view 1.webp', 'is 7/p1/view 3.tiff', 'is 3/p5/view 0.png', 'is 7/p5/view 6.jpg']
    for name in bad:
        (mess / name).write_bytes((mess / name).read_bytes()[:30])
    result = finetune(mess, '--skip-unreadable', '--groups', r'is \d/p\d', '--seed', 3)
    error = result.stderr
    assert 'left out' in error
    drawn = re.search(r'wrn: train: (\d+) images; (\d+) groups\n', error)
    val = re.search(
        r'wrn: val: (\d+) images, drawn from each class by whole groups; (\d+) g', error
    )
    assert int(drawn[2]) + int(val[2]) == 12
    assert int(drawn[1]) == 7 * int(drawn[2])
    folder = tmp_path / 'work_dirs/mess'
    groups = {
        split: {
            line.rpartition('/')[0] for line in (folder / f'{split}.txt').read_text().splitlines()
        }
        for split in ('train', 'val')
    }
    assert not groups['train'] & groups['val']
    assert {group[:4] for group in groups['val']} == {'is 3', 'is 7'}
    with (folder / 'groups.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 84
    assert dict(path='is 3/p0/view 0.png', group='is 3/p0') in rows
    metrics, confusion = read_report(folder)
    readable = sum(name.rpartition('/')[0] not in groups['val'] for name in bad)
    assert metrics['images'] == confusion.sum() == 7 * int(val[2]) - (len(bad) - readable)
    assert len([*folder.glob('mess-*.pth')]) == 1
