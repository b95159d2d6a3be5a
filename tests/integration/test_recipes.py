"""Every recipe follows its paper, as checked in the runner that it builds, without training."""

import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.hooks import EMAHook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, MODELS, TRANSFORMS

import wrn
from wrn_base import model_index

ITERATIONS = 20  # per epoch of the small dataset that replaces the real one


def steps(lr, milestones, gamma):
    return lambda epoch: lr * gamma ** sum(epoch >= milestone for milestone in milestones)


def warm_up_and_cosine(lr, epochs, start, least=0.0):
    def rate(epoch):
        if epoch < 5:
            return lr * (start + (1 - start) * epoch / 5)
        return least + (lr - least) * (1 + math.cos(math.pi * (epoch - 5) / (epochs - 5))) / 2

    return rate


SGD = dict(type=torch.optim.SGD, momentum=0.9)
PAPER = dict(**SGD, nesterov=True, dampening=0, weight_decay=5e-4)
CIFAR = dict(epochs=200, batch=128, rate=steps(0.1, [60, 120, 160], 0.2), **PAPER)
MODERN = dict(epochs=200, batch=128, rate=warm_up_and_cosine(0.1, 200, 0.01), **PAPER)
RECIPES = {
    '*_8xb16_cifar10*': CIFAR,
    '*-modern-200e_cifar10*': MODERN,
    '*_8xb16_svhn': dict(epochs=160, batch=128, rate=steps(0.01, [80, 120], 0.1), **PAPER),
    '*_8xb32_in1k*': dict(
        epochs=100, batch=256, rate=steps(0.1, [30, 60, 90], 0.1), weight_decay=1e-4, **SGD
    ),
    '*-torchvision-v2-600e_in1k': dict(
        epochs=600,
        batch=1024,
        rate=warm_up_and_cosine(0.5, 600, 0.01),
        weight_decay=2e-5,
        **SGD,
    ),
    '*-rsb-a1-600e_in1k': dict(
        epochs=600,
        batch=2048,
        rate=warm_up_and_cosine(5e-3, 600, 1e-4, 1e-6),
        weight_decay=0.01,
    ),
    '*-rsb-a2-300e_in1k': dict(
        epochs=300,
        batch=2048,
        rate=warm_up_and_cosine(5e-3, 300, 1e-4, 1e-6),
        weight_decay=0.02,
    ),
    '*-rsb-a3-100e_in1k': dict(
        epochs=100,
        batch=2048,
        rate=warm_up_and_cosine(8e-3, 100, 1e-4, 1e-6),
        weight_decay=0.02,
    ),
    '*_1xb64_digits': dict(epochs=20, batch=64, rate=steps(0.05, [6, 12, 16], 0.2), **PAPER),
}


def configs(pattern):
    return sorted(p.name for p in (model_index.root() / 'configs' / 'wrn').glob(f'{pattern}.py'))


CASES = [(name, recipe) for recipe in RECIPES for name in configs(recipe)]


def test_every_config_has_a_recipe():
    assert sorted(name for name, _ in CASES) == configs('*')


def read(name):
    return Config.fromfile(model_index.root() / 'configs' / 'wrn' / name)


def build_runner(config, tmp_path):
    """Build the runner of a config, with a small network and a dataset of a few batches."""
    backbone = config.model.backbone
    backbone.update(depth=10 if backbone.type == 'WideResNetCIFAR' else 18, widen_factor=1)
    config.train_dataloader = dict(
        batch_size=8,
        num_workers=0,
        dataset=dict(type='Digits', split='train', indices=8 * ITERATIONS, pipeline=[]),
        sampler=config.train_dataloader.sampler,
    )
    config.update(work_dir=str(tmp_path), log_level='ERROR', launcher='none')
    return Runner.from_cfg(config)


@pytest.mark.parametrize(('name', 'recipe'), CASES)
def test_learning_rate_and_optimizer(name, recipe, tmp_path):
    config, expected = read(name), RECIPES[recipe]
    batch = config.train_dataloader.batch_size * (1 if '1xb64' in name else 8)
    assert batch == expected['batch'] == config.auto_scale_lr.base_batch_size
    assert config.train_cfg.max_epochs == expected['epochs']
    runner = build_runner(config, tmp_path)
    runner.train_loop  # noqa: B018 - building it is needed to build the schedulers
    optimizer = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper = optimizer
    schedulers = runner.build_param_scheduler(config.param_scheduler)
    optimizer.step()  # the schedulers would warn if no step came before theirs
    rates = []
    for _ in range(expected['epochs']):
        rates.append(optimizer.get_lr()['lr'][0])
        for _ in range(ITERATIONS):
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch:
                scheduler.step()
    paper = [expected['rate'](epoch) for epoch in range(expected['epochs'])]
    # Warm-up is by iteration and reaches the full rate at its last one, of 100: one too early.
    tolerance = np.where(np.arange(len(paper)) < 5, 0.011 * max(paper), 1e-6 * max(paper))
    warms_up = isinstance(config.param_scheduler, list)
    assert (np.abs(np.subtract(rates, paper)) <= (tolerance if warms_up else 1e-9)).all()
    groups = optimizer.optimizer.param_groups
    for key in {'momentum', 'nesterov', 'dampening'} & expected.keys():
        assert {group[key] for group in groups} == {expected[key]}
    assert max(group['weight_decay'] for group in groups) == expected['weight_decay']
    if 'type' in expected:
        assert isinstance(optimizer.optimizer, expected['type'])
    else:
        assert type(optimizer.optimizer).__name__ == 'Lamb'
    if any(word in name for word in ('modern', '-v2-600e', '-rsb-')):  # no weight decay on norms
        decays = {id(p): g['weight_decay'] for g in groups for p in g['params']}
        for module in runner.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert decays[id(module.weight)] == 0


def test_augmentation_losses_and_averaging():
    """The settings of the modern recipes are those of their papers."""
    v2 = read('wide-resnet50_8xb128-torchvision-v2-600e_in1k.py')
    kinds = [t.type for t in v2.train_dataloader.dataset.pipeline]
    assert kinds.index('torchvision/TrivialAugmentWide') < kinds.index('RandomErasing')
    assert v2.train_dataloader.dataset.pipeline[0].scale == 176
    assert v2.test_dataloader.dataset.pipeline[1].scale == 232
    (ema,) = v2.custom_hooks
    assert ema.begin_epoch == 5  # torchvision copies the weights until its warm-up ends
    # torchvision's train.py: alpha = (1 - decay) * world_size * batch_size * steps / epochs
    assert ema.momentum == pytest.approx((1 - 0.99998) * 8 * 128 * 32 / 600, rel=2e-3)
    for letter, epochs, alpha, smoothing, drop_path, size in (
        ('a1', 600, 0.2, 0.1, 0.05, 224),
        ('a2', 300, 0.1, None, 0.05, 224),
        ('a3', 100, 0.1, None, 0, 160),
    ):
        config = read(f'wide-resnet50_8xb256-rsb-{letter}-{epochs}e_in1k.py')
        mixup, cutmix = config.model.train_cfg.augments
        assert (mixup.alpha, cutmix.alpha) == (alpha, 1.0)
        assert config.model.head.loss.use_sigmoid
        assert config.model.head.loss.get('label_smooth_val') == smoothing
        assert config.model.backbone.get('drop_path_rate', 0) == drop_path
        assert config.train_dataloader.dataset.pipeline[0].scale == size
        assert (config.train_dataloader.sampler.type == 'RepeatAugSampler') == (letter != 'a3')
        assert config.test_dataloader.dataset.pipeline[1].scale == round(224 / 0.95)


@pytest.mark.parametrize('name', configs('*'))
def test_dropout_and_data(name):
    """Dropout is the paper's if the name has it, and splits for training and test differ."""
    config = read(name)
    rate = 0.4 if 'svhn' in name else 0.3
    assert config.model.backbone.get('drop_rate', 0) == (rate if '-dropout_' in name else 0)
    train, test = (config[f'{key}_dataloader'].dataset for key in ('train', 'test'))
    assert config.val_dataloader == config.test_dataloader
    assert train.type == test.type
    kind = DATASETS.get(train.type).__name__
    classes = {'CIFAR100': 100, 'ImageNet': 1000}.get(kind, 10)
    assert config.model.head.num_classes == classes
    splits = {'SVHN': (('train', 'extra'), 'test'), 'ImageNet': ('train', 'val')}
    assert (train.split, test.split) == splits.get(kind, ('train', 'test'))
    if name.endswith('svhn.py'):
        assert [step.type for step in train.pipeline] == ['PackInputs']


def test_strength_of_augmentation():
    """As in timm's rand-m7-mstd0.5-inc1 and torchvision's script."""
    for pattern, level in (('*-rsb-a[12]-*', 7), ('*-rsb-a3-*', 6), ('*-modern-*', 5)):
        for name in configs(pattern):
            (augment,) = (
                step
                for step in read(name).train_dataloader.dataset.pipeline
                if step.type == 'RandAugment'
            )
            assert (augment.policies, augment.num_policies) == ('timm_increasing', 2)
            assert (augment.magnitude_level, augment.total_level) == (level, 10)
            assert augment.magnitude_std == 0.5
    v2 = read('wide-resnet50_8xb128-torchvision-v2-600e_in1k.py')
    erasing = v2.train_dataloader.dataset.pipeline[-2]
    assert erasing.type == 'RandomErasing'
    assert (erasing.erase_prob, erasing.max_area_ratio) == (0.1, 0.33)
    modern = read('wide-resnet28-10_8xb16-modern-200e_cifar10.py')
    for config in (v2, modern):
        assert config.model.head.loss.label_smooth_val == 0.1
        augments = [(augment.type, augment.alpha) for augment in config.model.train_cfg.augments]
        assert augments == [('Mixup', 0.2), ('CutMix', 1.0)]
    assert modern.custom_hooks[0].momentum == 1e-3


@pytest.mark.parametrize('name', configs('*_8xb16*'))
def test_the_head_is_initialized_like_the_authors(name):
    """He initialization with fan_in, for the last layer only."""
    head = read(name).model.head
    assert (head.init_cfg.layer, head.init_cfg.mode) == ('Linear', 'fan_in')


@pytest.mark.parametrize('name', configs('*cifar10*') + configs('*svhn'))
def test_pipelines_on_an_image_of_32_pixels(name, rng):
    """Each pipeline runs, and the normalization is that of the authors, in RGB."""
    config = read(name)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        preprocessor = MODELS.build(dict(type='ClsDataPreprocessor', **config.data_preprocessor))
        for split in ('train', 'test'):
            pipeline = config[f'{split}_dataloader'].dataset.pipeline
            transform = Compose([TRANSFORMS.build(step) for step in pipeline])
            data = default_collate([transform(dict(img=image.copy(), gt_label=3))])
            inputs = preprocessor(data)['inputs']
            assert inputs.shape == (1, 3, 32, 32)
    mean, std = np.array([125.3, 123.0, 113.9]), np.array([63.0, 62.1, 66.7])
    if name.endswith('svhn.py'):
        mean, std = 0, 255
    np.testing.assert_allclose(
        inputs[0].permute(1, 2, 0).numpy(), (image - mean) / std, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    'name', configs('*-600e_in1k') + configs('*-300e_in1k') + configs('*-100e_in1k')
)
def test_pipelines_on_a_photograph(name, photograph):
    config = read(name)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for split in ('train', 'test'):
            pipeline = config[f'{split}_dataloader'].dataset.pipeline
            transform = Compose([TRANSFORMS.build(step) for step in pipeline])
            for _ in range(3):
                size = transform(dict(img_path=str(photograph), gt_label=3))['inputs'].shape[-1]
            scale = config.train_dataloader.dataset.pipeline[0].scale
            assert size == (scale if split == 'train' else 224)


def test_random_crops_use_reflection_padding(rng):
    """Every crop is one of the image with a border of mirrored pixels."""
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode='reflect')
    crops = {
        padded[y : y + 32, x : x + 32][:, :: 1 - 2 * flip].tobytes()
        for y in range(9)
        for x in range(9)
        for flip in (0, 1)
    }
    pipeline = read('wide-resnet28-10_8xb16_cifar10.py').train_dataloader.dataset.pipeline
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        transform = Compose([TRANSFORMS.build(step) for step in pipeline])
        found = set()
        for _ in range(200):
            inputs = transform(dict(img=image.copy(), gt_label=3))['inputs']
            found.add(np.ascontiguousarray(inputs.permute(1, 2, 0).numpy()).tobytes())
    assert found <= crops
    assert len(found) > 80


def test_the_modern_recipe_uses_bfloat16_with_float32_weights(tmp_path):
    config = read('wide-resnet28-10_8xb16-modern-200e_cifar10.py')
    runner = build_runner(config, tmp_path)
    assert any(isinstance(hook, EMAHook) for hook in runner.hooks)
    optimizer = runner.build_optim_wrapper(config.optim_wrapper)
    seen = []
    for name in ('backbone.layer1.0.conv1', 'backbone.conv1'):
        runner.model.get_submodule(name).register_forward_hook(
            lambda module, args, output: seen.append(output.dtype)
        )
    with optimizer.optim_context(runner.model):
        runner.model.extract_feat(torch.randn(2, 3, 32, 32))
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())
    assert wrn.BFloat16OptimWrapper is type(optimizer)
