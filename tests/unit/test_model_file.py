"""A file of weights that contains its config is a model, and its config can run no code."""

import contextlib
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.checkpoints.tensor_hash import KEY
from wrn_base.errors import WrnError

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


@pytest.mark.parametrize('to_rgb', [True, False])
def test_channel_order_of_a_file_under_the_name_of_another_dataset(
    tmp_path, digits_weights, to_rgb
):
    """Images of folders are read as BGR, those of CIFAR are RGB."""
    checkpoint = read_checkpoint(digits_weights)
    text = checkpoint['meta']['cfg'].replace("type='Digits'", "type='CustomDataset'")
    text = text.replace('pipeline=[', "pipeline=[dict(type='LoadImageFromFile'),", 1)
    checkpoint['meta']['cfg'] = text.replace('to_rgb=False', f'to_rgb={to_rgb}')
    torch.save(checkpoint, path := tmp_path / 'folder.pth')
    image = tmp_path / 'red.png'
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[4:12, 4:12] = 250, 120, 0
    Image.fromarray(pixels).save(image)
    alone = wrn.inference_model(path, image)['pred_scores']
    named = wrn.inference_model(DIGITS, image, pretrained=path)['pred_scores']
    np.testing.assert_allclose(named, alone, atol=1e-6)
    other = wrn.inference_model(digits_weights, image)['pred_scores']
    assert (abs(other - alone).max() < 1e-6) == to_rgb  # the digits' network takes RGB


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
        ("type='GlobalAveragePooling'", "type='trap.Door'", True),
        ("type='LinearClsHead'", "type='trap.Door'", True),
        ('to_rgb=False', "to_rgb=False, type='trap.Door'", False),
        ("'wrn'", "'trap'", False),
        ("type='Digits'", 'type=dict(a=1)', True),
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


PIPELINE = "[dict(type='Resize', scale=(16, 16)), dict(type='PackInputs')]"


def added(line):
    return lambda meta: meta.update(cfg=f'{meta["cfg"]}\n{line}\n')


def pipeline(steps):
    return added(f'test_dataloader = dict(dataset=dict(pipeline={steps}))')


def replaced(old, new):
    return lambda meta: meta.update(cfg=meta['cfg'].replace(old, new))


def backbone(options):
    return replaced("type='WideResNetCIFAR'", f"type='WideResNetCIFAR', {options}")


def normalization(mean, std):
    return lambda meta: meta.update(normalization=dict(mean=mean, std=std))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (added('text = 1'), 'contains no config'),
        (added('model = dict(backbone=5, head=7)\nitems = [1]'), 'contains no config'),
        (pipeline('5'), 'contains no config'),
        (pipeline("'pipeline'"), 'contains no config'),
        (added("test_dataloader = dict(dataset='a dataset')"), 'contains no config'),
        (added(f'test_dataloader = dict(dataset=dict(type=5, pipeline={PIPELINE}))'), 'no config'),
        (pipeline("[dict(type='Resize', scale=(12000, 12000))]"), r'Resize has scale=\(12000'),
        (pipeline("[dict(type='Resize', scale=1e9)]"), 'Resize has scale=1000000000.0'),
        (pipeline("[dict(type='ResizeEdge', scale=-1)]"), 'ResizeEdge has scale=-1'),
        (pipeline("[dict(type='CenterCrop', crop_size=(8, 99999))]"), 'CenterCrop has crop_size'),
        (pipeline(f'{PIPELINE} * 50'), 'contains no config'),  # more than plain values
        (pipeline('[' + "dict(type='Resize', scale=(16, 16)), " * 99 + ']'), '99 steps, more than'),
        (pipeline("[dict(type='Pad', size=(99999, 99999))]"), 'Pad.* is not allowed'),
        (backbone('strides=(1, 10**9, 2)'), 'contains no config'),
        (backbone('strides=(1, 1000000000, 2)'), 'strides=.*, not a few numbers'),
        (backbone('strides=(1, 0, 2)'), 'strides=.*, not a few numbers'),
        (backbone('num_stages=100000'), 'num_stages=100000, not a few numbers'),
        (backbone(f'kernel_sizes={[3] * 999}'), 'kernel_sizes=.*, not a few numbers'),
        (backbone("norm_cfg=dict(type=['BN'])"), 'norm_cfg=.*, an unknown type'),
        (backbone("norm_cfg=dict(type='BN', eps='x')"), 'not a usable number'),
        (backbone('act_cfg=5'), 'act_cfg=5, not a dict'),
        (replaced('to_rgb=False', "to_rgb='no'"), 'to_rgb in its config'),
        (replaced('to_rgb=False', 'to_rgb=False, mean=[float]'), 'contains no config'),
        (normalization([127.5] * 5, [127.5] * 5), 'mean=.*, not 3 usable numbers'),
        (normalization([float('nan')] * 3, [1.0] * 3), 'mean=.*, not 3 usable numbers'),
        (normalization([0.0] * 3, [0.0] * 3), 'std=.*, not 3 usable numbers'),
        (normalization([0.0] * 3, [float('inf')] * 3), 'std=.*, not 3 usable numbers'),
    ],
)
def test_values_that_a_file_states_are_bounded(tmp_path, digits_weights, change, reason):
    checkpoint = read_checkpoint(digits_weights)
    change(checkpoint['meta'])
    path = tmp_path / 'crafted.pth'
    torch.save(checkpoint, path)
    with pytest.raises(WrnError, match=reason) as error:
        wrn.inference_model(path, np.zeros((8, 8, 3), np.uint8))
    assert 'crafted.pth: ' in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('kind', [torch.float32, torch.float16, torch.float8_e5m2])
def test_weights_that_are_not_numbers(tmp_path, digits_weights, kind):
    checkpoint = read_checkpoint(digits_weights)
    del checkpoint['meta'][KEY]
    weights = checkpoint['state_dict']
    weights['head.fc.bias'] = torch.tensor([0.0, float('nan'), *[0.0] * 8]).to(kind)
    torch.save(checkpoint, tmp_path / 'w.pth')
    with pytest.raises(WrnError, match=r'w\.pth: NaN or infinity in head\.fc\.bias; give'):
        wrn.get_model(tmp_path / 'w.pth', True)


def test_scores_that_are_not_numbers():
    """Weights can be finite and the scores not: a negative variance, for one."""
    network = wrn.get_model(DIGITS, True)
    network.backbone.norm.running_var.fill_(-1)
    with pytest.raises(WrnError, match='computes NaN instead of probabilities'):
        wrn.inference_model(network, np.zeros((8, 8, 3), np.uint8), topk=3)
