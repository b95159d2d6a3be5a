"""Set the learning rate, the batch size and the number of data workers in a config."""

from mmengine.config import Config
from mmengine.dist import get_world_size

from wrn.training.launch import init_distributed
from wrn_base.errors import WrnError

_WITH_WORKERS = ('prefetch_factor', 'multiprocessing_context', 'timeout')  # torch refuses without


def set_learning_rate(cfg: Config, rate: float) -> None:
    """Set the learning rate of the optimizer. It is used as it is, whatever the batch size.

    ``paramwise_cfg`` still gives parts of the network a multiple of it.

    Args:
        cfg: The config, which is changed.
        rate: The learning rate.

    Raises:
        WrnError: If the config has no single optimizer.
    """
    _get_optimizer(cfg, f'--lr {rate:g}')['lr'] = rate
    for scheduler in _list_one_cycles(cfg):
        scheduler['eta_max'] = rate
    if cfg.get('auto_scale_lr'):
        cfg.auto_scale_lr.enable = False


def set_batch_size(cfg: Config, size: int, scaled: bool = True) -> None:
    """Set the number of training images per step and process.

    The learning rate is scaled as by :func:`scale_by_batch_size`. If the config does not state the
    batch size of its learning rate, that of its ``train_dataloader`` is taken. Validation keeps its
    batch size, which does not affect the result.

    Args:
        cfg: The config, with its ``launcher``. It is changed.
        size: The batch size.
        scaled: Whether to scale the learning rate. Defaults to True.

    Raises:
        WrnError: If the learning rate cannot be scaled.
    """
    loader = cfg.train_dataloader
    if 'batch_size' not in loader:
        raise WrnError(
            f'--batch-size {size}: {cfg.filename} sets train_dataloader.batch_sampler, not a batch '
            'size; set it with --cfg-options'
        )
    before, loader.batch_size = loader.batch_size, size
    if not scaled:
        return
    if _list_one_cycles(cfg):
        raise WrnError(
            f'--batch-size {size}: the rates of OneCycleLR are not scaled by the batch size; add '
            '--lr'
        )
    if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
        init_distributed(cfg)  # for the number of processes
        counts = _get_counts(cfg)
        cfg.auto_scale_lr = dict(base_batch_size=before * get_world_size() * counts)
    scale_by_batch_size(cfg, f'--batch-size {size}')


def scale_by_batch_size(cfg: Config, option: str = '--auto-scale-lr') -> None:
    """Scale the learning rate to the images per update.

    :meth:`wrn.training.brief_runner.BriefRunner.scale_lr` does so when the run starts.

    Args:
        cfg: The config, which is changed. Its ``auto_scale_lr.base_batch_size`` is the number of
            images per update that its learning rate is for.
        option: The option that asks for it, for messages.

    Raises:
        WrnError: If the config has no base batch size, or no single optimizer.
    """
    _get_optimizer(cfg, option)
    if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
        raise WrnError(
            f'{cfg.filename}: has no base batch size for {option}; set '
            'auto_scale_lr=dict(base_batch_size=...) to that of the learning rate'
        )
    cfg.auto_scale_lr.enable = True
    # mmengine scales by the images of an iteration; an update accumulates several.
    cfg.auto_scale_lr.base_batch_size /= _get_counts(cfg)


def set_workers(cfg: Config, workers: int) -> None:
    """Set the number of processes that load images, for each data loader.

    Args:
        cfg: The config, which is changed.
        workers: The number of processes. With 0, the process of the run loads the images.
    """
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if loader := cfg.get(name):
            loader.num_workers = workers
            if workers == 0:
                loader.persistent_workers = False
                for key in _WITH_WORKERS:
                    loader.pop(key, None)


def _get_counts(cfg: Config) -> int:
    return cfg.optim_wrapper.get('accumulative_counts', 1)


def _get_optimizer(cfg: Config, option: str) -> dict[str, float]:
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if not isinstance(optimizer, dict) or 'type' not in optimizer:
        raise WrnError(
            f'{option}: {cfg.filename} has no optim_wrapper.optimizer; set the learning rate in '
            'the config'
        )
    return optimizer


def _list_one_cycles(cfg: Config) -> list[dict[str, float]]:
    """Return the configs of the schedulers that have a learning rate of their own."""
    schedulers = cfg.get('param_scheduler') or []
    schedulers = [schedulers] if isinstance(schedulers, dict) else schedulers
    return [s for s in schedulers if isinstance(s, dict) and 'OneCycle' in str(s.get('type'))]
