"""Files written by an earlier version still load and resume."""

from pathlib import Path

import pytest
import torch

import wrn
from wrn.checkpoints import read_checkpoint

FIXTURES = Path(__file__).parents[1] / 'fixtures'
CHECKPOINT, CONFIG = FIXTURES / 'epoch_1.pth', FIXTURES / 'tiny_digits.py'
PUBLISHED = [FIXTURES / 'tiny-cc230acc.safetensors', FIXTURES / 'tiny-63c5c597.pth']


@pytest.mark.parametrize('path', PUBLISHED, ids=lambda path: path.suffix)
def test_a_published_file(path):
    model = wrn.get_model(path, True)
    assert type(model.backbone) is wrn.WideResNetCIFAR
    assert (model.backbone.depth, model.backbone.widen_factor) == (10, 1)
    assert model._dataset_meta['classes'] == [str(digit) for digit in range(10)]
    assert model.data_preprocessor.mean.flatten().tolist() == [127.5] * 3
    expected = read_checkpoint(path)['state_dict']
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.slow
def test_resume_a_training_checkpoint(run, tmp_path):
    """It was saved after the first of two epochs. The published file has the weights after both."""
    run('wrn', 'train', CONFIG, '--work-dir', tmp_path, '--resume', CHECKPOINT)
    resumed = read_checkpoint(tmp_path / 'epoch_2.pth')
    assert resumed['meta']['epoch'] == 2
    before = read_checkpoint(CHECKPOINT)['state_dict']
    expected = read_checkpoint(PUBLISHED[0])['state_dict']
    for key, value in resumed['state_dict'].items():
        if key.endswith('weight') and value.ndim > 1:
            # Another number of threads sums in another order. That changed an update of four steps
            # by 4 %.
            error = (value - expected[key]).norm()
            assert error < 0.2 * (before[key] - expected[key]).norm(), key


def test_the_weights_of_a_training_checkpoint():
    model = wrn.get_model(CONFIG, CHECKPOINT)
    expected = read_checkpoint(CHECKPOINT)['state_dict']
    assert torch.equal(model.head.fc.weight, expected['head.fc.weight'])
