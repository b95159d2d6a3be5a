"""The interface of all engines."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from wrn.deploy.engines.graph import NetworkGraph
from wrn.utils.packages import missing_packages
from wrn_base.errors import WrnError

PRECISIONS = ('float32', 'bfloat16', 'float16', 'int8')

Forward: TypeAlias = Callable[[Tensor], tuple[Tensor, ...]]
"""A network as a function: inputs ``(N, C, H, W)`` to logits or features."""


class EngineError(WrnError):
    """An engine is unavailable, or its outputs differ from the network's."""


class Engine(ABC):
    """A network in a runtime.

    Subclasses take the network's graph, a precision, and calibration inputs for ``int8``.

    Attributes:
        name: The name of the backend, as in ``--backend``.
        precisions: The precisions that it supports.
        requires: The modules that it needs besides torch.
        cpu_only: Whether it runs on CPUs only.
        own_threads: Whether it computes in its own threads. It is then equally fast in every
            calling thread.
        size: The height and width of its inputs; None for any size.
        eager: The classifier that it runs in eager torch, which has gradients; None if it runs a
            frozen graph.
    """

    name: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ('float32',)
    requires: ClassVar[tuple[str, ...]] = ()
    cpu_only: ClassVar[bool] = False
    own_threads: ClassVar[bool] = True
    size: torch.Size | None = None
    eager: nn.Module | None = None

    @abstractmethod
    def __init__(self, graph: NetworkGraph, precision: str, calibration: Iterable[Tensor]) -> None:
        """Build the network in the runtime."""

    @abstractmethod
    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network; see :meth:`__call__`."""

    def __call__(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Check the size of the inputs, and run the network.

        Args:
            inputs: Normalized images, ``(N, C, H, W)``, float32. N may be any number.

        Returns:
            The outputs of the network, float32: the logits ``(N, num_classes)``, or the features.

        Raises:
            EngineError: If the engine was built for images of another size.
        """
        if self.size not in (None, inputs.shape[2:]):
            sizes = ['x'.join(map(str, size)) for size in (self.size, inputs.shape[2:]) if size]
            raise EngineError(
                f'backend {self.name}: was built for images of {sizes[0]} pixels (height x width), '
                f'not {sizes[1]}; crop or resize them in the test pipeline of the config'
            )
        return self.run(inputs)

    @classmethod
    def missing(cls, device: torch.device) -> str | None:
        """Return what is missing to run this engine.

        Args:
            device: The device to run on.

        Returns:
            What is missing and how to get it, for a message; None if the engine can run.
        """
        missing = missing_packages(*cls.requires)
        if not missing and cls.cpu_only and device.type != 'cpu':
            return f'runs on the CPU only, not on {device}; use device cpu'
        return missing
