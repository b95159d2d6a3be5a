"""A file of weights that contains its config is a model, and its config can run no code."""

import contextlib
import sys

import numpy as np
import pytest
import torch

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.utils.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'


def test_a_file_is_the_same_model_as_its_name(digits_weights, checkout):
    by_name, by_path = wrn.get_model(DIGITS, True), wrn.get_model(digits_weights, True)
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(by_path(x), by_name(x), rtol=0, atol=0)
    assert by_path._dataset_meta['classes'] == by_name._dataset_meta['classes']
    image = checkout / 'demo' / 'digit_7.png'
    results = [wrn.inference_model(model, image) for model in (digits_weights, DIGITS)]
    assert results[0]['pred_class'] == results[1]['pred_class'] == '7'
    assert (results[0]['pred_scores'] == results[1]['pred_scores']).all()


def test_without_pretrained_it_is_random(digits_weights):
    network = wrn.get_model(digits_weights)
    weights = read_checkpoint(digits_weights)['state_dict']['head.fc.weight']
    assert not torch.equal(network.head.fc.weight, weights)


def test_a_file_without_a_config(tmp_path, digits_weights):
    path = tmp_path / 'plain.pth'
    torch.save(read_checkpoint(digits_weights)['state_dict'], path)
    with pytest.raises(WrnError, match=r'plain\.pth: contains no config of its network'):
        wrn.get_model(path, True)


@pytest.mark.parametrize(
    ('original', 'replacement', 'refused'),
    [
        ("dict(type='PackInputs')", "dict(type='trap.Door')", True),
        ("dict(type='PackInputs')", "dict(type='RandomCrop', crop_size=8)", True),
        ("type='Resize'", "type='Resize', bogus=1", True),
        ("backend='pillow'", "backend='gimp'", True),
        ("type='Digits'", "type='trap.Door'", False),
        ("type='WideResNetCIFAR'", "type='trap.Door'", False),
        ("type='ImageClassifier'", "type='trap.Door'", False),
        ("type='GlobalAveragePooling'", "type='trap.Door'", False),
        ("type='LinearClsHead'", "type='trap.Door'", False),
        ('to_rgb=False', "to_rgb=False, type='trap.Door'", False),
        ("'wrn'", "'trap'", False),
        ("type='Digits'", 'type=dict(a=1)', False),
    ],
)
def test_a_file_cannot_import_code(
    tmp_path, monkeypatch, digits_weights, original, replacement, refused
):
    """mmengine would import these types. They are refused, or ignored if they are not needed."""
    (tmp_path / 'trap.py').write_text('class Door:\n    pass\n')
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = read_checkpoint(digits_weights)
    text = checkpoint['meta']['cfg']
    assert original in text
    checkpoint['meta']['cfg'] = text.replace(original, replacement)
    path = tmp_path / 'hostile.pth'
    torch.save(checkpoint, path)
    with pytest.raises(WrnError, match='hostile') if refused else contextlib.nullcontext():
        network = wrn.get_model(path, True)
        assert type(network.backbone) is wrn.WideResNetCIFAR
        assert wrn.inference_model(network, np.zeros((8, 8, 3), np.uint8))
    assert 'trap' not in sys.modules
