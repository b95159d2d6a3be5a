"""`wrn verify`: published weights against their published figures."""

import json
import math
import shutil

import pytest

import wrn
from wrn_base import model_index
from wrn_base.cli import main

DIGITS = 'wide-resnet16-2_1xb64_digits'
IMAGENET = 'wide-resnet50_3rdparty_8xb32_in1k'


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def publish_figures(monkeypatch):
    """State other figures of the embedded model in the index."""

    def publish(top1, top5=100.0):
        (result,) = model_index.models()[DIGITS].results
        metrics = {'Top 1 Accuracy': top1, 'Top 5 Accuracy': top5}
        monkeypatch.setattr(result, 'metrics', metrics)

    return publish


def test_the_embedded_model(capsys):
    main(['verify', DIGITS])
    out = capsys.readouterr().out
    for text in (
        '(all digits are those in the model index)',
        'top-1 accuracy  99.15 %    99.2 % (352 of 355; 95 % interval 97.5 to 99.7)',
        'verified: within 0.1 percentage points of the published figures, and their rounding',
    ):
        assert text in out


@pytest.mark.parametrize(
    ('top1', 'tolerance', 'agrees'),
    [
        (99.15, 0, True),  # rounded, as it is published
        (99.15, 0.1, True),
        (98.87, 0.1, False),  # an image less
        (99.44, 0.1, False),  # an image more
        (98.87, 0.3, True),
    ],
)
def test_a_figure_that_differs_is_found(publish_figures, top1, tolerance, agrees):
    publish_figures(top1)
    done = wrn.verify(DIGITS, tolerance=tolerance)
    first, second = done.figures
    assert (first.found.correct, first.found.total, done.complete) == (352, 355, True)
    assert (first.agrees, second.agrees, done.agrees) == (agrees, True, agrees)


def test_the_exit_status_of_a_figure_that_differs(publish_figures, capsys):
    publish_figures(98.87)
    with pytest.raises(SystemExit) as exit:
        main(['verify', DIGITS, '--json'])
    assert exit.value.code.startswith(
        f'wrn: error: {DIGITS}: top-1 accuracy is 99.2 % (352 of 355; 95 % interval 97.5 to 99.7), '
        'not 98.87 %; check that the images are the test set of scikit-learn digits'
    )
    content = json.loads(capsys.readouterr().out)
    assert content['agrees'] is False
    assert content['figures']['top-1']['expected'] == 98.87
    assert content['figures']['top-1']['found'] == pytest.approx(100 * 352 / 355)
    assert content['figures']['top-5']['agrees'] is True


def test_changed_weights_are_found(monkeypatch, fails, digits_weights, tmp_path):
    path = tmp_path / digits_weights.rpartition('/')[2]
    shutil.copy(digits_weights, path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of a tensor
    path.write_bytes(content)
    monkeypatch.setattr(model_index.models()[DIGITS], 'weights', str(path))
    assert 'not the published file of this name (its SHA-256 differs)' in fails('verify', DIGITS)


def test_mistakes(fails, tmp_path):
    for name in (
        'named/val/tench',
        'named/val/n01443537',
        'part/val/n01443537',
        'part/val/.cache',
        'flat/val',
    ):
        (tmp_path / name).mkdir(parents=True)
    no_figures = 'has no published weights with figures; give one of wide-resnet50_3rdparty'
    no_images = 'make it with `wrn prepare-imagenet`, or give the folder'
    for words, message in (
        (['wide-resnet50'], no_figures),
        (['configs/wrn/wide-resnet16-2_1xb64_digits.py'], no_figures),
        (['resnet18_8xb32_in1k'], no_figures),  # mmpretrain's own
        ([IMAGENET], f'data/imagenet: has no folder val with images of ImageNet; {no_images}'),
        ([IMAGENET, '--data', tmp_path], f'{tmp_path}: has no folder val'),
        ([IMAGENET, '--data', tmp_path / 'part'], 'has 1 of the 1,000 class folders of ImageNet, whose order'),
        ([IMAGENET, '--data', tmp_path / 'flat'], 'has 0 of the 1,000 class folders'),
        ([IMAGENET, '--data', tmp_path / 'named'], 'has folders that are no classes of ImageNet (tench), whose order'),
        ([DIGITS, '--data', tmp_path], 'only for models on ImageNet; leave it out'),
        ([DIGITS, '--tolerance', -1], '--tolerance -1.0: must be a number of points, at least 0'),
        ([DIGITS, '--tolerance', math.nan], '--tolerance nan: must be'),
    ):  # fmt: skip
        assert message in fails('verify', *map(str, words))
