"""Deterministic algorithms without torch's compiler.

``torch.use_deterministic_algorithms`` imports the whole compiler, 1.1 s on torch 2.14, to set a
flag of its config, whether anything is compiled or not. Here the import is put off, and the flag
set by the variable that the config reads when it is imported. Can go when torch looks first whether
the compiler is there.
"""

import os
import sys
from typing import Any

from mmengine.runner import Runner

from wrn.utils.compat.deferred import deferred

_COMPILER = 'torch._inductor'
_CONFIG = f'{_COMPILER}.config'


class QuickRunner(Runner):
    """mmengine's runner, which does not import the compiler to be deterministic.

    The arguments are those of :class:`mmengine.runner.Runner`.
    """

    def set_randomness(self, *args: Any, **kwargs: Any) -> None:
        """Seed the random generators, and choose algorithms.

        Args:
            *args: As for :meth:`mmengine.runner.Runner.set_randomness`.
            **kwargs: Likewise.
        """
        with deferred(_CONFIG):
            config = sys.modules[_CONFIG]
            with deferred(_COMPILER, package=True, config=config):
                super().set_randomness(*args, **kwargs)
        if vars(config).get('deterministic'):
            os.environ['TORCHINDUCTOR_DETERMINISTIC'] = '1'
