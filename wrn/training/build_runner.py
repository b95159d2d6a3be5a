"""Build mmengine's runner, after checks for mistakes that it would report late or not at all."""

from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from wrn.data import fetch_cifar
from wrn.data.image_folder import use_image_folders
from wrn.training.brief_runner import BriefRunner, VerboseRunner
from wrn.training.checks import check_data_folders, check_topk, get_num_classes
from wrn.training.hooks.model_checks import ClassCheckHook
from wrn.training.hooks.unreadable_images import UnreadableHook
from wrn.training.launch import init_distributed
from wrn.training.network_checks import check_forward
from wrn.training.screen_log import keep_off_screen
from wrn.utils.compat.quick_visualizer import use_quick_visualizer
from wrn.utils.silence import silence
from wrn_base.run_progress import SILENT, RunProgress


def build_runner(
    cfg: Config, loaders: list[str], hooks: list[Hook], progress: RunProgress = SILENT
) -> Runner:
    """Build mmengine's runner, after checks for mistakes that it would report late or not at all.

    Args:
        cfg: The config.
        loaders: The config keys of the data loaders in use, such as ``'train_dataloader'``.
        hooks: Hooks to add to those of the config.
        progress: Receives what is being done. Defaults to nobody.

    Returns:
        The runner.

    Raises:
        WrnError: If the config or the data is wrong.
    """
    progress.phase('reading data')
    num_classes, notes = get_num_classes(cfg.model), []
    for name in loaders:
        if cfg.get(name):
            notes.append(check_data_folders(name, cfg[name].dataset, num_classes))
            fetch_cifar(cfg[name].dataset)
            evaluator = name.replace('dataloader', 'evaluator')
            check_topk(evaluator, cfg.get(evaluator), num_classes)
    init_distributed(cfg)
    use_quick_visualizer(cfg)
    # mmengine writes the config's text at the start and into each checkpoint. Formatting is slow.
    cfg = Config(cfg.to_dict(), cfg.text, _name_copy(cfg), format_python_code=False)
    progress.phase('building the network')
    runner = _build(cfg, progress.verbose)
    check_forward(runner.model, cfg)
    for note in filter(None, notes):
        runner.logger.warning(note)
    progress.phase('reading data')  # by the runner, which lists the images when it starts
    # The runner's cfg is left alone: it goes into checkpoints, which are read without this package.
    for name in loaders:
        if loader := getattr(runner, f'_{name}'):
            use_image_folders(loader.dataset)
    for hook in (*hooks, ClassCheckHook(), UnreadableHook()):
        runner.register_hook(hook)
    return runner


def _name_copy(cfg: Config) -> str | None:
    """Return a name for the copy in ``work_dir``, which must not replace the config itself."""
    copy = Path(cfg.work_dir, Path(cfg.filename or '').name)
    if copy.is_file() and Path(cfg.filename).is_file() and copy.samefile(cfg.filename):
        return str(copy.with_name(f'run_{copy.name}'))
    return cfg.filename


def _build(cfg: Config, verbose: bool) -> Runner:
    if 'runner_type' not in cfg:
        return (VerboseRunner if verbose else BriefRunner).from_cfg(cfg)
    if verbose:
        return RUNNERS.build(cfg)
    with silence():  # its logger writes to what it finds there
        runner = RUNNERS.build(cfg)
    keep_off_screen(runner.logger)
    return runner
