"""Read the log of a training run."""

import json
import math
from pathlib import Path
from typing import Any

from wrn.utils.files import check_regular
from wrn_base.errors import WrnError, one_line

_LOGS = '*/vis_data/scalars.json'


def read_log(run: str) -> list[dict[str, Any]]:
    """Read the log of a training run.

    Args:
        run: The work folder of the run or of a fine-tuning, which has the run in the folder
            ``run``, or a ``scalars.json``. The logs in a folder are merged: a resumed run replaces
            what was logged after the checkpoint it resumed from.

    Returns:
        The lines that mmengine logged. Lines of training have ``epoch``, ``iter``, ``loss`` and
        ``lr``; lines of validation have ``accuracy/top1``, and the epoch as ``step``.

    Raises:
        WrnError: If there is no log, or it cannot be read.
    """
    path = Path(run)
    logs = [path]
    if path.is_dir():
        logs = sorted(path.glob(_LOGS)) or sorted(path.glob(f'run/{_LOGS}'))
    lines: list[dict[str, Any]] = []
    for log in logs:
        try:
            check_regular(log)
            new = [
                json.loads(line) for line in log.read_text(encoding='utf-8').splitlines() if line
            ]
        except (OSError, ValueError) as error:
            raise WrnError(
                f'{log}: cannot be read as a training log ({one_line(error)}); give the work '
                'folder of a training run, or its scalars.json'
            ) from error
        new = [line for line in new if isinstance(line, dict)]
        training = [line for line in new if 'loss' in line]
        if not all(map(_is_complete, new)) or any(line['epoch'] < 1 for line in training):
            raise WrnError(
                f'{log}: not the log of a run that counts epochs; plot a run that trains by epoch'
            )
        if training:  # drop what was logged after the checkpoint that this log resumes from
            first = training[0]
            lines = [line for line in lines if _is_before(line, first['iter'], first['epoch'])]
        lines += new
    if not any('loss' in line for line in lines):
        raise WrnError(f'{run}: has no training log; give the work folder of a training run')
    return lines


def _is_complete(line: dict[str, Any]) -> bool:
    needed = {'loss': ('iter', 'epoch', 'lr'), 'accuracy/top1': ('step',)}
    keys = {key for name, others in needed.items() if name in line for key in (name, *others)}
    return all(isinstance(line.get(key), int | float) for key in keys)


def _is_before(line: dict[str, Any], iteration: int, epoch: int) -> bool:
    return line['iter'] < iteration if 'loss' in line else line.get('step', epoch) < epoch


def count_steps(training: list[dict[str, Any]]) -> int:
    """Return the number of iterations of an epoch. The log may end before the last one.

    Args:
        training: The lines of training, as returned by :func:`read_log`.
    """
    first = {line['epoch']: line['iter'] for line in reversed(training)}
    # Epochs log at the same positions. Without two epochs, the number is a lower bound.
    exact = [(n - first[1]) // (e - 1) for e, n in first.items() if e > 1 and 1 in first]
    rough = [math.ceil(line['iter'] / line['epoch']) for line in training]
    return max(1, *(exact or rough))
