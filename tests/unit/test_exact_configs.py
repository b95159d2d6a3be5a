"""Our loop and hook replace mmengine's, in whatever way a config names them."""

import pytest
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from wrn.config.config_file import read_config
from wrn.training.hooks.safe_checkpoints import SafeCheckpointHook, use_safe_checkpoints
from wrn.training.loop import ExactTrainLoop, use_exact_loop
from wrn.training.runner import build_runner


@pytest.mark.parametrize(
    ('loop', 'hook', 'expected'),
    [
        (dict(by_epoch=True, max_epochs=2), 'CheckpointHook', ExactTrainLoop),
        (
            dict(type='mmengine.EpochBasedTrainLoop', max_epochs=2),
            'mmengine.CheckpointHook',
            ExactTrainLoop,
        ),
        (
            dict(type='mmengine.runner.EpochBasedTrainLoop', max_epochs=2),
            'mmengine.hooks.CheckpointHook',
            ExactTrainLoop,
        ),
        (dict(type=EpochBasedTrainLoop, max_epochs=2), CheckpointHook, ExactTrainLoop),
        (dict(by_epoch=False, max_iters=2), CheckpointHook, IterBasedTrainLoop),
    ],
)
def test_every_way_to_name_loop_and_hook(tmp_path, loop, hook, expected):
    cfg = read_config('wide-resnet16-2_1xb64_digits')
    cfg.merge_from_dict(dict(work_dir=str(tmp_path), launcher='none'))
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_cfg = loop
    cfg.default_hooks.checkpoint = dict(type=hook, interval=3)
    hooks = use_exact_loop(cfg)
    use_safe_checkpoints(cfg)
    runner = build_runner(cfg, ['train_dataloader'], hooks)
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    assert (type(runner.train_loop), type(hook)) == (expected, SafeCheckpointHook)
    assert hook.interval == 3
