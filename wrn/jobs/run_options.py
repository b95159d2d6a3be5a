"""The options that training, fine-tuning and testing share, applied to a config."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wrn.checkpoints.checkpoint_file import localize
from wrn.config.config_errors import config_errors
from wrn.data import skip_unreadable
from wrn.jobs.common_options import apply_device_options, apply_schedule_options, check_ranges
from wrn.jobs.loading import WeightsOptions
from wrn.jobs.outputs import check_apart, make_folder
from wrn.jobs.settings import apply_settings
from wrn.jobs.speed_options import (
    SpeedOptions,
    TrainingSpeedOptions,
    apply_speed_options,
)
from wrn.training import LOG_BACKENDS, add_log_backend, has_accelerator, use_mixed_precision
from wrn.training.run_device import get_run_device
from wrn.zoo.resolve import resolve
from wrn_base.errors import WrnError
from wrn_base.run_progress import RunProgress


class RunOptions(WeightsOptions, SpeedOptions, total=False):
    """Options of training, fine-tuning and testing.

    Attributes:
        batch_size: The images per step on each device. In training it scales the learning rate,
            unless ``lr`` is given. Defaults to that of the config.
        device: The device, such as ``'cuda:1'``. Defaults to the accelerator, else the CPU.
        workers: The number of processes that load images. Defaults to that of the config.
        work_dir: The folder to write to. Defaults to ``work_dirs/`` and the name of the config or
            data folder.
        cfg_options: Settings to override in the config, by key, such as
            ``{'train_cfg.max_epochs': 5}``.
        launcher: The launcher of a distributed job: ``'none'`` (default), ``'pytorch'``,
            ``'slurm'`` or ``'mpi'``.
        no_pin_memory: Do not pin memory.
        no_persistent_workers: Restart the data workers each epoch.
        progress: Receives the steps and epochs. ``wrn_base.display.Display()`` prints them.
            Defaults to nobody.
    """

    batch_size: int | None
    device: str | None
    workers: int | None
    work_dir: str | None
    cfg_options: Mapping[str, Any] | None
    launcher: str
    no_pin_memory: bool
    no_persistent_workers: bool
    progress: RunProgress


class TrainOptions(RunOptions, TrainingSpeedOptions, total=False):
    """Options of training and fine-tuning.

    Attributes:
        epochs: The number of epochs, to which the schedule is scaled. Defaults to that of the
            config.
        lr: The learning rate. It is never scaled. Defaults to that of the config.
        patience: The number of epochs without a better validation after which to stop. Defaults to
            never.
        seed: The seed of the order and the augmentation of the images, and of new weights. Defaults
            to that of the config.
        resume: The checkpoint to resume from, or True or ``'auto'`` for the latest in the work
            folder.
        overwrite: Replace the run and the results in the work folder.
        amp: Train in mixed precision.
        no_validate: Skip validation.
        auto_scale_lr: Scale the learning rate to the actual batch size.
        skip_unreadable: Skip and count unreadable images. Defaults to stopping at the first.
        tensorboard: Also log to TensorBoard.
        wandb: Also log to Weights & Biases.
    """

    epochs: int | None
    lr: float | None
    patience: int | None
    seed: int | None
    resume: str | bool | None
    overwrite: bool
    amp: bool
    no_validate: bool
    auto_scale_lr: bool
    skip_unreadable: bool
    tensorboard: bool
    wandb: bool


def apply_train_options(cfg: Config, options: TrainOptions, data: str | Path | None = None) -> None:
    """Apply the options of training or fine-tuning to a config.

    Args:
        cfg: The config, which is changed.
        options: The options.
        data: The data folder that the run reads, which it must not write to. Defaults to None: it
            is not known.

    Raises:
        WrnError: If the config or an option is wrong.
    """
    check_ranges(options)
    with config_errors(cfg.filename):
        apply_run_options(cfg, options, data)
        if options.get('no_validate'):
            cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        apply_schedule_options(cfg, options)
        if options.get('amp'):
            use_mixed_precision(cfg)
        if options.get('skip_unreadable'):
            skip_unreadable(cfg.train_dataloader.dataset)
        if resume := options.get('resume'):
            if options.get('overwrite'):
                raise WrnError('--resume and --overwrite: exclude each other; give one of them')
            cfg.resume = 'auto'
            if isinstance(resume, str) and resume != 'auto':
                if '://' not in resume and not Path(resume).exists():
                    raise WrnError(
                        f'{resume}: the checkpoint does not exist; give the path of a checkpoint '
                        'file, or --resume alone for the latest'
                    )
                cfg.resume, cfg.load_from = True, localize(resume)
        for package in LOG_BACKENDS:
            if options.get(package):
                add_log_backend(cfg, package)
    apply_speed_options(cfg, options, training=True)


def apply_run_options(cfg: Config, options: RunOptions, data: str | Path | None = None) -> None:
    """Apply the options that training, fine-tuning and testing share to a config.

    Args:
        cfg: The config, which is changed.
        options: The options.
        data: The data folder that the run reads, which it must not write to. Defaults to None: it
            is not known.

    Raises:
        WrnError: If the config or an option is wrong.
    """
    apply_settings(cfg, options.get('cfg_options') or {})
    cfg.launcher = options.get('launcher', 'none')
    if (work_dir := options.get('work_dir')) is not None:
        cfg.work_dir = os.path.expanduser(work_dir)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(str(cfg.filename)).stem))
    if data is not None:
        check_apart('--work-dir', cfg.work_dir, data)
    make_folder('--work-dir', cfg.work_dir)
    apply_device_options(cfg, options)
    # Without an accelerator, pinning memory only causes a warning.
    on_cpu = not has_accelerator() or get_run_device(cfg) == 'cpu'
    pin_memory = not (on_cpu or options.get('no_pin_memory'))
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader is None:
            continue
        loader.setdefault('collate_fn', dict(type='default_collate'))
        loader.pin_memory = loader.get('pin_memory', True) and pin_memory
        loader.persistent_workers = (
            loader.get('persistent_workers', True)
            and loader.get('num_workers', 0) > 0
            and not options.get('no_persistent_workers')
        )


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
