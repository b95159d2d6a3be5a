"""The options of ``wrn train``, ``finetune`` and ``test`` that mmpretrain's tools have too."""

from argparse import Namespace
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmpretrain.models import MultiLabelClsHead

from wrn.checkpoints.checkpoint_file import localize
from wrn.cli.arguments import check_out, make_folder
from wrn.cli.settings import apply_settings, parse_settings
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_test_dataset, set_default
from wrn.data import skip_unreadable
from wrn.training import LOG_BACKENDS, add_log_backend, has_accelerator, use_mixed_precision
from wrn.training.checks import check_single_task, get_head
from wrn.training.evaluation import add_metrics, get_report_metrics
from wrn.training.evaluation.predictions import SUFFIXES
from wrn.training.testing_config import make_test_config
from wrn.zoo.resolve import resolve
from wrn_base.errors import WrnError

_RESULTS = {
    'pred': ('predictions are', SUFFIXES),
    'metrics': ('metrics are', ('.json', '.yaml', '.yml')),
}


def read_train_config(args: Namespace) -> Config:
    """Read the config of ``wrn train``, and apply its options.

    Args:
        args: The arguments.

    Returns:
        The config to train with.

    Raises:
        WrnError: If the config or an option is wrong.
    """
    cfg = read_runnable(args.config)
    apply_train_options(cfg, args)
    return cfg


def apply_train_options(cfg: Config, args: Namespace) -> None:
    """Apply the options of ``wrn train`` or ``wrn finetune`` to a config.

    Args:
        cfg: The config, which is changed.
        args: The arguments.

    Raises:
        WrnError: If the config or an option is wrong.
    """
    with config_errors(cfg.filename):
        _apply_common_options(cfg, args)
        if args.no_validate:
            cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        if args.amp:
            use_mixed_precision(cfg)
        if args.skip_unreadable:
            skip_unreadable(cfg.train_dataloader.dataset)
        if args.resume is not None:
            cfg.resume = args.resume
            if args.resume != 'auto':
                cfg.resume, cfg.load_from = True, localize(args.resume)
        if args.auto_scale_lr:
            if 'auto_scale_lr' not in cfg:
                raise WrnError(
                    f'{cfg.filename}: has no base batch size for --auto-scale-lr; set '
                    'auto_scale_lr=dict(base_batch_size=...) to that of the learning rate'
                )
            cfg.auto_scale_lr.enable = True
            # mmengine scales by the images of an iteration; an update accumulates several.
            cfg.auto_scale_lr.base_batch_size /= cfg.optim_wrapper.get('accumulative_counts', 1)
        for package in LOG_BACKENDS:
            if getattr(args, package):
                add_log_backend(cfg, package)


def read_test_config(args: Namespace) -> Config:
    """Make the config of ``wrn test``, and apply its options.

    Args:
        args: The arguments.

    Returns:
        The config to test with.

    Raises:
        WrnError: If the config or an option is wrong.
    """
    if args.out is None and args.out_item is not None:
        raise WrnError('--out-item: has no file to write to; add --out FILE')
    if args.out:
        check_out(args.out, *_RESULTS[args.out_item or 'pred'])
    cfg = make_test_config(resolve(args.model), args.checkpoint)
    with config_errors(cfg.filename):
        _apply_common_options(cfg, args)
        if args.amp:
            cfg.test_cfg = dict(cfg.test_cfg or {}, fp16=True)
        if args.show or args.show_dir is not None:
            set_default(cfg, 'default_hooks', {}).visualization = dict(
                type='VisualizationHook',
                enable=True,
                show=args.show,
                wait_time=args.wait_time,
                out_dir=args.show_dir,
                interval=args.interval,
            )
        if args.tta:
            _augment_test(cfg)
        if args.report is not None:
            make_folder('--report', args.report)
            check_single_task('--report', cfg.model)
            head, kind = get_head(cfg.model)
            metrics = get_report_metrics(head, issubclass(kind, MultiLabelClsHead))
            cfg.test_evaluator = add_metrics(cfg.get('test_evaluator'), *metrics)
        if args.out and args.out_item != 'metrics' and not args.out.endswith(('.pkl', '.pickle')):
            check_single_task(f'--out {args.out}', cfg.model)
    return cfg


def read_runnable(model: str) -> Config:
    """Read a config that can be trained.

    Args:
        model: The name of a model, or the path of a config.

    Returns:
        The config.

    Raises:
        WrnError: If there is no such model or config, or it is a file of weights or an exported
            file, which has no training settings.
    """
    resolved = resolve(model)
    if resolved.kind not in ('name', 'config'):
        raise WrnError(
            f'{model}: has no training settings; give a config, or fine-tune the file with '
            '`wrn finetune FOLDER --model FILE`'
        )
    return resolved.get_config()


def _apply_common_options(cfg: Config, args: Namespace) -> None:
    apply_settings(cfg, parse_settings(args.cfg_options))
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(str(cfg.filename)).stem))
    make_folder('--work-dir', cfg.work_dir)
    # Without an accelerator, pinning memory only causes a warning.
    pin_memory = has_accelerator() and not args.no_pin_memory
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader is None:
            continue
        loader.setdefault('collate_fn', dict(type='default_collate'))
        loader.pin_memory = loader.get('pin_memory', True) and pin_memory
        loader.persistent_workers = (
            loader.get('persistent_workers', True)
            and loader.get('num_workers', 0) > 0
            and not args.no_persistent_workers
        )


def _augment_test(cfg: Config) -> None:
    """Average over the views of ``tta_pipeline``, by default the image and its mirror image."""
    dataset = get_test_dataset(cfg)
    pipeline = dataset.pipeline
    if 'tta_pipeline' not in cfg:
        flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
        cfg.tta_pipeline = [
            *deepcopy(pipeline[:-1]),
            dict(type='TestTimeAug', transforms=[flips, [pipeline[-1]]]),
        ]
    model = cfg.get('tta_model', dict(type='mmpretrain.AverageClsScoreTTA'))
    cfg.model = ConfigDict(**model, module=cfg.model)
    dataset.pipeline = cfg.tta_pipeline
