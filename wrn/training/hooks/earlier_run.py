"""Remove what an earlier run has left, once the new one has what it needs to begin."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from wrn.training.run_files import remove_files


class EarlierRunHook(Hook):
    """Remove files, and folders that are then empty, before the first step.

    The network is built and the first batch is read by then, so a mistake in the config or in the
    data costs no results.

    Args:
        paths: The files and folders.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = [*paths] if is_main_process() else []

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Remove them, before the first step only."""
        remove_files(self.paths)
        self.paths = []
