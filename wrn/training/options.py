"""The options of ``wrn train`` and ``wrn test``, which are those of mmpretrain's tools."""

from argparse import Namespace
from copy import deepcopy
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict

from wrn.errors import WrnError

_ITEMS = {'pred': 'predictions', 'metrics': 'metrics'}
_SUFFIXES = {'pred': ('.pkl', '.pickle'), 'metrics': ('.json', '.yaml', '.yml')}


def apply_common_options(cfg: Config, args: Namespace) -> None:
    """Set what train and test share: work folder, launcher and ``--cfg-options``.

    Args:
        cfg: The config, changed in place.
        args: The command line's arguments.
    """
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(name) is not None:
            cfg[name] = _with_loader_defaults(cfg[name], args)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)


def _with_loader_defaults(loader: ConfigDict, args: Namespace) -> ConfigDict:
    # Pinning memory without an accelerator does nothing but warn.
    pin_memory = torch.accelerator.is_available() and not args.no_pin_memory
    persistent = loader.get('num_workers', 0) > 0 and not args.no_persistent_workers
    defaults = dict(collate_fn=dict(type='default_collate'), pin_memory=pin_memory)
    loader = ConfigDict({**defaults, 'persistent_workers': persistent, **loader})
    loader.pin_memory = loader.pin_memory and pin_memory
    loader.persistent_workers = loader.persistent_workers and persistent
    return loader


def apply_train_options(cfg: Config, args: Namespace) -> None:
    """Set what is of training alone: resuming, mixed precision, validation, learning rate.

    Args:
        cfg: The config, changed in place.
        args: The command line's arguments.

    Raises:
        WrnError: If an option cannot be had.
    """
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        if not torch.accelerator.is_available():
            raise WrnError('--amp: mixed precision needs an accelerator; leave the option out')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise WrnError(
                f'{args.config}: --auto-scale-lr needs the batch size that the learning rate is '
                'for; set auto_scale_lr=dict(base_batch_size=...) in the config'
            )
        cfg.auto_scale_lr.enable = True


def apply_test_options(cfg: Config, args: Namespace) -> None:
    """Set what is of testing alone: the checkpoint, precision, pictures and augmentation.

    Args:
        cfg: The config, changed in place.
        args: The command line's arguments.

    Raises:
        WrnError: If an option cannot be had.
    """
    if args.out is None and args.out_item is not None:
        raise WrnError('--out-item says what to write; say where with --out FILE')
    if args.out:
        _check_out(Path(args.out), args.out_item or 'pred')
    cfg.load_from = args.checkpoint
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.show or args.show_dir is not None:
        cfg.default_hooks.visualization = dict(
            type='VisualizationHook',
            enable=True,
            show=args.show,
            wait_time=args.wait_time,
            out_dir=args.show_dir,
            interval=args.interval,
        )
    if args.tta:
        _augment_test(cfg)


def _check_out(out: Path, item: str) -> None:
    """Find now what would else be found when the test has run."""
    if out.suffix not in _SUFFIXES[item]:
        raise WrnError(f'--out {out}: {_ITEMS[item]} are written as {", ".join(_SUFFIXES[item])}')
    if not out.resolve().parent.is_dir():
        raise WrnError(f'--out {out}: the folder does not exist; make it first')


def _augment_test(cfg: Config) -> None:
    """Average the scores over the config's ``tta_pipeline``, or over a picture and its mirror."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    if 'tta_pipeline' not in cfg:
        flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
        cfg.tta_pipeline = [
            *deepcopy(pipeline[:-1]),
            dict(type='TestTimeAug', transforms=[flips, [pipeline[-1]]]),
        ]
    model = cfg.get('tta_model', dict(type='mmpretrain.AverageClsScoreTTA'))
    cfg.model = ConfigDict(**model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
