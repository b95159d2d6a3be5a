"""Keep the normalization of a run when it is resumed."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from wrn.checkpoints import ReadOptions, set_normalization
from wrn.checkpoints.assumptions import get_normalization
from wrn.config.config_file import read_own_config
from wrn.config.config_parts import get_inner_model
from wrn.training.resumed_settings import refuse_change

_CONFIGURED = 'configured_normalization'  # in the meta of a checkpoint


class NormalizationHook(Hook):
    """Resume a run with its normalization, and refuse another one.

    The file of the first weights, or the caller, may have given the run another normalization than
    its config has. Checkpoints also record that of the config, which a resumed run has again.

    Args:
        cfg: The config, before the normalization in ``options`` is set in it.
        resume: Whether the run is resumed.
        options: What the caller gives.
    """

    def __init__(self, cfg: Config, resume: bool, options: ReadOptions) -> None:
        self.configured = get_normalization(cfg)
        self.resume = resume
        self.options = options

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Save the normalization of the config."""
        checkpoint['meta'][_CONFIGURED] = self.configured

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Set the normalization of the run to resume.

        Raises:
            WrnError: If the caller or the config gives another one.
        """
        meta, path = checkpoint.get('meta') or {}, str(runner._load_from or runner.work_dir)
        own = read_own_config(meta) if self.resume else None
        if own is None:
            return
        used = get_normalization(own)
        recorded = meta.get(_CONFIGURED, used)
        if self.options.mean is not None and self.options.std is not None:
            given = dict(mean=[*self.options.mean], std=[*self.options.std])
            _check_same('--', given, used, path)
        elif self.configured != recorded:
            inner = get_inner_model(runner.cfg.model).get('data_preprocessor')
            prefix = 'model.data_preprocessor.' if inner else 'data_preprocessor.'
            _check_same(prefix, self.configured, used, path)
        self.configured = recorded
        if used:
            use_normalization(runner, used)


def use_normalization(runner: Runner, normalization: Mapping[str, Any]) -> None:
    """Set a normalization in the model and in the config, which checkpoints of the run contain.

    Args:
        runner: The runner.
        normalization: The ``mean`` and ``std``.
    """
    set_normalization(runner.model, **normalization)
    for owner in (runner.cfg, get_inner_model(runner.cfg.model)):
        if owner.get('data_preprocessor'):
            owner.data_preprocessor.update(normalization)


def _check_same(
    prefix: str, given: Mapping[str, Any] | None, used: Mapping[str, Any] | None, path: str
) -> None:
    for statistic in ('mean', 'std'):
        old, new = ((values or {}).get(statistic) for values in (used, given))
        if _spread(old, new) != _spread(new, old):
            raise refuse_change(f'{prefix}{statistic}', old, new, path)


def _spread(values: Sequence[float] | None, like: Sequence[float] | None) -> list[float] | None:
    """Repeat one value, which is that of each channel, for the channels that other values have."""
    if values is None:
        return None
    return [*values] * (len(like or values) if len(values) == 1 else 1)
