"""Write checkpoints so that an intact one exists at any time."""

import operator
from pathlib import Path
from typing import Any, ClassVar

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from wrn.config.config_parts import find_class, set_default
from wrn.training.run_files import LAST
from wrn.utils.files import write_atomically

SAFE_BACKEND = dict(backend='safe_local')


@register_backend('safe_local')
class SafeLocalBackend(LocalBackend):
    """Local files that are written atomically, and removed once their successor is written.

    Attributes:
        obsolete: The files to remove.
    """

    def __init__(self) -> None:
        self.obsolete: list[str] = []

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file under a temporary name, and rename it when it is complete and on disk.

        Args:
            obj: The content.
            filepath: The path.
        """
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(filepath) as file:
            file.write(obj)

    def remove(self, filepath: str | Path) -> None:
        """Mark a file as obsolete.

        Args:
            filepath: The file.
        """
        self.obsolete.append(str(filepath))


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's hook, with atomic writes; it removes a checkpoint after the next one is written.

    Of equally good checkpoints, the latest counts as the best. With few validation images, many are
    equally good, and the first is hardly trained.

    Args:
        **kwargs: The arguments of :class:`mmengine.hooks.CheckpointHook`.
    """

    rule_map: ClassVar = {'greater': operator.ge, 'less': operator.le}

    def before_train(self, runner: Runner) -> None:
        """Use the safe backend if checkpoints are written to a local folder."""
        if '://' not in str(self.out_dir or runner.work_dir):
            self.backend_args = SAFE_BACKEND
        super().before_train(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save a checkpoint, if one is due."""
        super().after_train_epoch(runner)
        self._remove_obsolete()

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Save a checkpoint, if one is due."""
        super().after_train_iter(runner, *args, **kwargs)
        self._remove_obsolete()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best checkpoint, if this is the best one."""
        super().after_val_epoch(runner, metrics)
        self._remove_obsolete()

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        try:
            super()._save_checkpoint_with_step(runner, step, meta)
        except UnicodeEncodeError:
            pass  # of the name below, in the system's encoding, which on Windows has few characters
        finally:
            # mmengine empties this file before it writes to it, and may be stopped between the two.
            last = self.last_ckpt or ''
            if is_main_process() and ('://' in last or Path(last).is_file()):
                with write_atomically(Path(runner.work_dir, LAST)) as file:
                    file.write(last.encode())

    def _remove_obsolete(self) -> None:
        best = [getattr(self, 'best_ckpt_path', None)]
        best += getattr(self, 'best_ckpt_path_dict', {}).values()
        obsolete = getattr(self.file_backend, 'obsolete', [])
        while obsolete:
            path = Path(obsolete.pop())
            ours = path.parent.resolve() == Path(self.out_dir).resolve()  # not another run's
            if ours and str(path) not in best:  # a resumed run may have rewritten the best one
                path.unlink(missing_ok=True)


def use_safe_checkpoints(cfg: Config) -> None:
    """Replace mmengine's checkpoint hook in a config by this one.

    Args:
        cfg: The config, which is changed.
    """
    hooks = set_default(cfg, 'default_hooks', {})
    hooks.setdefault('checkpoint', dict(type='CheckpointHook'))
    hook = hooks.checkpoint
    if hook and find_class(HOOKS, hook['type']) is CheckpointHook:
        hook['type'] = 'SafeCheckpointHook'
