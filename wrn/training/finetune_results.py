"""What a fine-tuning run leaves in its results folder, and what other runs may have left there."""

import re
from pathlib import Path

from mmengine.config import Config

from wrn.training.evaluation import REPORT_FILES
from wrn.training.run_files import find_checkpoints
from wrn.utils.existing import check_free

REPORT = 'report'  # in the results folder
RUN = 'run'  # in the results folder: the checkpoints and logs of the run
WRITING = '.writing'  # in the run folder, while a head-only run writes its weights and report
FINE_TUNING = '.finetune'  # in the run folder, from when the files around it are the run's


def find_weights(folder: Path, name: str) -> list[Path]:
    """Return the published weights in a results folder, the newest first.

    Args:
        folder: The results folder.
        name: The name of the data folder.
    """
    pattern = re.compile(rf'{re.escape(name)}-[0-9a-f]{{8}}\.pth')
    found = [path for path in folder.glob('*.pth') if pattern.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def find_results(folder: Path, *names: str) -> list[Path]:
    """Return the weights and the report that fine-tuning has written.

    Args:
        folder: The results folder.
        *names: The names of the data folders.

    Returns:
        The weights, the files of the report, and then its folder, which may have other files.
    """
    report = folder / REPORT
    files = [path for name in REPORT_FILES if (path := report / name).is_file()]
    weights = [path for name in names for path in find_weights(folder, name)]
    return [*weights, *files, *([report] if files else [])]


def find_replaced(cfg: Config) -> list[Path]:
    """Return the files that a fine-tuning run replaces, besides the checkpoints in its run folder.

    Args:
        cfg: The config of the run, with the run folder as its ``work_dir``.

    Returns:
        The results in the folder, and the checkpoints of a training run in it.
    """
    folder = Path(cfg.work_dir).parent
    others = [*find_checkpoints(folder, cfg), *_find_mark(folder)]
    return [*find_results(folder, Path(cfg.filename).stem), *others]


def find_fine_tuning(cfg: Config, overwrite: bool = False) -> list[Path]:
    """Find the fine-tuning run whose results folder or run folder a training run is to write to.

    Args:
        cfg: The config of the training run.
        overwrite: Whether the training run may replace it. Defaults to False.

    Returns:
        The files of the fine-tuning run, besides the checkpoints in ``work_dir``.

    Raises:
        WrnError: If there is one that may not be replaced, and no checkpoint to resume.
    """
    folder = Path(cfg.work_dir)
    found, run = _find_mark(folder), folder / RUN
    if mark := _find_mark(run):
        names = [path.stem for path in run.glob('*.py')]
        found += [*find_results(folder, *names), *find_checkpoints(run, cfg), *mark]
    if found and not (cfg.get('resume') and find_checkpoints(folder, cfg)):
        check_free(name_used(found[0]), overwrite)
    return found


def name_used(path: Path) -> Path:
    """Return what a message names for a file that is in use: the folder, for its hidden mark."""
    return path.parent if path.name == FINE_TUNING else path


def _find_mark(run: Path) -> list[Path]:
    return [mark] if (mark := run / FINE_TUNING).is_file() else []
