"""`get_model` by name, config and path, with and without weights."""

import re

import mmpretrain
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.models import LinearClsHead, ResNet
from mmpretrain.registry import MODELS

import wrn
from wrn import WideResNetCIFAR
from wrn_base import model_index
from wrn_base.errors import CheckpointError, RandomWeightsWarning, WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'
WRN50 = 'wide-resnet50_3rdparty_8xb32_in1k'


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_by_name_path_and_config():
    by_name = wrn.get_model(DIGITS, pretrained=True)
    assert isinstance(by_name.backbone, WideResNetCIFAR)
    assert not by_name.training
    path = model_index.models()[DIGITS].config
    for argument in (path, Config.fromfile(path), 'configs/wrn/wide-resnet16-2_1xb64_digits.py'):
        model = wrn.get_model(argument, pretrained=model_index.models()[DIGITS].weights)
        assert same_weights(model, by_name)
        assert model._dataset_meta['classes'] == list('0123456789')


def test_a_model_built_on_the_meta_device_is_complete(digits_weights):
    """No tensor stays on the meta device, and the model computes and trains as usual."""
    loaded = wrn.get_model(DIGITS, pretrained=True)
    initialized = wrn.get_model(DIGITS)
    initialized.load_state_dict(loaded.state_dict())
    assert not any(t.is_meta for t in (*loaded.parameters(), *loaded.buffers()))
    assert all(p.requires_grad for p in loaded.parameters())
    assert same_weights(loaded, initialized)
    inputs = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(loaded(inputs), initialized(inputs), rtol=0, atol=0)
    loaded.train()(inputs).sum().backward()
    assert loaded.backbone.conv1.weight.grad is not None


def test_each_call_returns_a_new_model():
    a, b = (wrn.get_model(DIGITS, pretrained=True) for _ in range(2))
    a.backbone.conv1.weight.data.zero_()
    assert b.backbone.conv1.weight.abs().max() > 0
    a._config.model.head.num_classes = 3
    assert b._config.model.head.num_classes == 10


def test_keyword_arguments_change_the_model():
    model = wrn.get_model(WRN50, backbone=dict(out_indices=(1, 2), frozen_stages=1))
    features = model.extract_feat(torch.zeros(1, 3, 64, 64), stage='backbone')
    assert [tuple(f.shape) for f in features] == [(1, 512, 8, 8), (1, 1024, 4, 4)]


def test_frozen_stages_stay_frozen_with_weights(tmp_path):
    model = wrn.get_model(DIGITS, pretrained=True, backbone=dict(frozen_stages=1))
    frozen = {n.split('.')[1] for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {'conv1', 'layer1'}


def test_another_number_of_classes_replaces_only_the_head():
    reference = wrn.get_model(DIGITS, pretrained=True)
    with pytest.warns(UserWarning, match='the head is newly initialized'):
        model = wrn.get_model(DIGITS, pretrained=True, head=dict(num_classes=3))
    assert same_weights(model.backbone, reference.backbone)
    assert model.head.fc.weight.shape == (3, 128)
    assert model.head.fc.weight.std() > 0
    assert 'classes' not in model._dataset_meta  # they are those of the old head


def test_a_feature_extractor_has_no_head():
    reference = wrn.get_model(DIGITS, pretrained=True)
    model = wrn.get_model(DIGITS, pretrained=True, head=None)
    assert not model.with_head
    assert same_weights(model.backbone, reference.backbone)
    inputs = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(model.extract_feat(inputs), reference.extract_feat(inputs))


def test_half_precision_weights(tmp_path):
    reference = wrn.get_model(DIGITS, pretrained=True)
    half = {k: v.half() if v.is_floating_point() else v for k, v in reference.state_dict().items()}
    torch.save(half, tmp_path / 'half.pth')
    model = wrn.get_model(DIGITS, pretrained=tmp_path / 'half.pth')
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_class_names_from_mmcls_0(tmp_path):
    weights = wrn.get_model(DIGITS, pretrained=True).state_dict()
    torch.save(
        dict(meta=dict(CLASSES=tuple('abcdefghij')), state_dict=weights), tmp_path / 'old.pth'
    )
    model = wrn.get_model(DIGITS, pretrained=tmp_path / 'old.pth')
    assert model._dataset_meta == {'classes': tuple('abcdefghij')}


def test_weights_of_another_model(digits_weights):
    with pytest.raises(CheckpointError, match='the weights do not fit the model'):
        wrn.get_model(WRN50, pretrained=digits_weights)


def test_url_mapping(digits_weights):
    model = wrn.get_model(
        DIGITS, pretrained='https://host/x.pth', url_mapping=('https://host/.*', digits_weights)
    )
    assert same_weights(model, wrn.get_model(DIGITS, pretrained=True))


def test_a_warning_without_pretrained_weights():
    with pytest.warns(UserWarning, match='no pretrained weights'):
        wrn.get_model('configs/wrn/wide-resnet16-2_1xb64_digits.py', pretrained=True)


def test_names_are_case_insensitive():
    assert wrn.get_model(DIGITS.upper())._metainfo.name == DIGITS


def test_a_model_of_mmpretrain():
    model = wrn.get_model('resnet18_8xb32_in1k', backbone=dict(depth=34))
    assert type(model.backbone) is ResNet
    assert model.backbone.depth == 34


@pytest.mark.filterwarnings('ignore:torch.meshgrid')  # in mmpretrain's HiViT
def test_a_model_of_mmpretrain_without_weights():
    upstream_warning = pytest.warns(UserWarning, match='Unable to find pre-defined checkpoint')
    with pytest.warns(RandomWeightsWarning, match='the model is random'), upstream_warning:
        wrn.get_model('hivit-tiny-p16_16xb64_in1k', pretrained=True)


def test_a_model_may_adapt_weights_to_itself(tmp_path, mmpretrain_root):
    """A vision transformer resizes its position embeddings when it loads them."""
    config = mmpretrain_root / '.mim/configs/deit/deit-tiny_4xb256_in1k.py'
    small = wrn.get_model(config)
    torch.save(small.state_dict(), tmp_path / 'w.pth')
    large = wrn.get_model(config, tmp_path / 'w.pth', backbone=dict(img_size=384))
    assert large.backbone.pos_embed.shape[1] == 24 * 24 + 1
    assert torch.equal(large.head.layers.head.weight, small.head.layers.head.weight)


def test_unexpected_weights_of_a_neck_are_dropped(tmp_path):
    weights = wrn.get_model(DIGITS, pretrained=True).state_dict() | {'neck.w': torch.ones(1)}
    torch.save(weights, tmp_path / 'w.pth')
    with pytest.warns(UserWarning, match='the head is newly initialized'):
        model = wrn.get_model(DIGITS, pretrained=tmp_path / 'w.pth')
    assert torch.equal(model.backbone.conv1.weight, weights['backbone.conv1.weight'])


def test_a_config_in_yaml_or_without_test_data(tmp_path, digits_weights):
    config = Config.fromfile(model_index.models()[DIGITS].config)
    config.test_dataloader = config.test_cfg = config.test_evaluator = None
    config.dump(tmp_path / 'mine.yaml')
    model = wrn.get_model(tmp_path / 'mine.yaml', pretrained=digits_weights)
    assert model._dataset_meta['classes'] == list('0123456789')
    with pytest.raises(WrnError, match=r'has no test_dataloader\.dataset\.pipeline'):
        wrn.inference_model(model, 'x.jpg')


def test_a_model_of_mmpretrain_with_weights(tmp_path):
    weights = wrn.get_model('resnet18_8xb32_in1k').state_dict()
    torch.save(weights, tmp_path / 'w.pth')
    model = wrn.get_model('resnet18_8xb32_in1k', pretrained=tmp_path / 'w.pth')
    assert torch.equal(model.backbone.conv1.weight, weights['backbone.conv1.weight'])


def test_a_custom_backbone_with_a_non_persistent_buffer(tmp_path, monkeypatch):
    """A buffer outside the state dict is initialized, not left on the meta device."""

    class Custom(WideResNetCIFAR):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.register_buffer('extra', torch.empty(3).fill_(7), persistent=False)

    MODELS.register_module(module=Custom, name='CustomForTest', force=True)
    model = wrn.get_model(DIGITS, pretrained=True, backbone=dict(type='CustomForTest'))
    assert model.backbone.extra.tolist() == [7, 7, 7]


@pytest.mark.parametrize('reads_weights', [True, False])
def test_a_custom_head(reads_weights):
    """It has a non-persistent buffer, or reads its weights while it is built."""

    class Head(LinearClsHead):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.register_buffer('extra', torch.empty(3).fill_(7), persistent=False)
            self.first = self.fc.weight[0, 0].item() if reads_weights else None

    MODELS.register_module(module=Head, name='HeadForTest', force=True)
    model = wrn.get_model(DIGITS, pretrained=True, head=dict(type='HeadForTest'))
    assert model.head.extra.tolist() == [7, 7, 7]
    assert not any(t.is_meta for t in (*model.parameters(), *model.buffers()))


def test_an_unknown_name_suggests_similar_ones():
    with pytest.raises(WrnError, match=re.escape(WRN50)):
        wrn.get_model('wide-resnet50_3rdparty_8xb32_in1')
    with pytest.raises(WrnError, match='did you mean'):
        wrn.get_model('resnet18_8xb32_in1')
    with pytest.raises(WrnError, match="unknown model 'zzz'"):
        wrn.get_model('zzz')


def test_list_models_includes_ours_and_mmpretrains():
    names = wrn.list_models()
    assert names == mmpretrain.list_models()
    assert {*model_index.models(), 'resnet18_8xb32_in1k'} <= set(names)
    unwanted = ['*timm*', '*v2*', '*16-*', '*rsb*', '*18-*', '*34-*', '*cifar*']
    assert wrn.list_models('wide-resnet', exclude_patterns=unwanted) == [
        'wide-resnet101',
        'wide-resnet101_3rdparty_8xb32_in1k',
        'wide-resnet50',
        'wide-resnet50_3rdparty_8xb32_in1k',
    ]


@pytest.mark.parametrize('kind', [torch.tensor, np.array, tuple])
def test_kinds_of_normalization(digits_weights, kind):
    given = dict(mean=kind([1.0, 2.0, 3.0]), std=kind([40.0, 50.0, 60.0]))
    model = wrn.get_model(DIGITS, digits_weights, data_preprocessor=given)
    assert model.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(data_preprocessor=dict(mean='a', std='b')), "mean='a': give a list of numbers"),
        (dict(data_preprocessor=dict(mean=[None], std=[1])), 'mean=.None.: give a list of numbers'),
        (dict(backbone=dict(in_channels=1)), 'mean=.*: must be a list of 1 numbers'),
    ],
)
def test_a_normalization_that_does_not_fit(changes, message):
    with pytest.raises(WrnError, match=message):
        wrn.get_model(DIGITS, **changes)


def test_unknown_keys_are_named(tmp_path):
    torch.save({'a.weight': torch.ones(3)}, tmp_path / 'a.pth')
    with pytest.raises(WrnError, match=r'a\.pth: the format of the keys is unknown \(a\.weight\)'):
        wrn.get_model(DIGITS, tmp_path / 'a.pth')


@pytest.mark.parametrize('wrap', [torch.nn.DataParallel, lambda model: model.backbone])
def test_a_module_without_its_config(wrap):
    with pytest.raises(WrnError, match='not a model with its config; give'):
        wrn.inference_model(wrap(wrn.get_model(DIGITS)), np.zeros((16, 16, 3), np.uint8))
