"""Weights, and what to take from a file where it leaves a choice."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats import FORMATS
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Implied
from wrn_base.errors import AssumptionWarning, CheckpointError, some


@dataclass(frozen=True)
class ReadOptions:
    """What to take from a file of weights, where the file leaves a choice.

    Attributes:
        key: The key of the weights, such as ``'model_ema'`` or ``'ema.state_dict'``. Defaults to
            None: the usual keys of libraries.
        prefix: The beginning of the keys of the network, such as ``'student.'``. Defaults to None:
            the only one with known keys behind it.
        mean: The mean of each channel, in the order in which the network takes them (RGB, unless a
            config says otherwise), for pixels from 0 to 255. Defaults to None: what the file or the
            config states.
        std: The standard deviation of each channel. Defaults to None, as for ``mean``.
    """

    key: str | None = None
    prefix: str | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None


@dataclass
class Weights:
    """Weights under OpenMMLab's keys, and what is known about them.

    Attributes:
        state_dict: The weights.
        meta: The ``meta`` of the checkpoint: ``dataset_meta`` with the class names,
            ``normalization``, ``cfg`` and so on, as far as it has them.
        format: The format of the checkpoint, one of :data:`wrn.checkpoints.formats.FORMATS`; None
            if it is unknown. The keys are then those of the checkpoint.
        key: The key of the weights in the checkpoint.
        prefix: What was before the key of each tensor, such as ``'module.'``.
        left_out: The keys of everything else in it.
        pruned: The number of weights that pruning masks were applied to.
        implied: What is usual for the network of such a file.
        assumptions: What is assumed about the weights, because the file does not state it.
    """

    state_dict: dict[str, Tensor]
    meta: dict[str, Any] = field(default_factory=dict)
    format: CheckpointFormat | None = None
    key: str = ''
    prefix: str = ''
    left_out: list[str] = field(default_factory=list)
    pruned: int = 0
    implied: Implied = field(default_factory=Implied)
    assumptions: list[str] = field(default_factory=list)

    def require_format(self, name: str) -> CheckpointFormat:
        """Return the format.

        Args:
            name: The path or name of the file, for the message.

        Raises:
            CheckpointError: If it is unknown.
        """
        if self.format is None:
            titles = ', '.join(form.title for form in FORMATS)
            raise CheckpointError(
                f'{name}: the format of the keys is unknown ({some(self.state_dict)}); give '
                f'weights in one of these formats: {titles}'
            )
        return self.format

    def warn(self, name: str) -> None:
        """Warn of the assumptions.

        Args:
            name: The path or name of the file.
        """
        if self.assumptions:
            warnings.warn(
                f'{name}: assumed: {"; ".join(self.assumptions)}; override it by your own config, '
                '--key, --prefix, --mean and --std (in Python key, prefix, data_preprocessor)',
                AssumptionWarning,
                stacklevel=3,
            )
