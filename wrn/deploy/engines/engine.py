"""What all engines have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor

from wrn.deploy.engines.graph import NetworkGraph
from wrn.utils.errors import WrnError
from wrn.utils.packages import missing_packages

PRECISIONS = ('float32', 'bfloat16', 'float16', 'int8')


class EngineError(WrnError):
    """An engine that cannot be had here, or does not compute what the network does."""


class Engine(ABC):
    """A network in a runtime.

    Subclasses take a source, a precision, and for ``int8`` the inputs to calibrate with.

    Attributes:
        name: What it is called, as ``--backend`` has it.
        precisions: Those that it can have.
        requires: The modules that it needs beside torch.
        own_threads: Whether it computes in threads of its own, and so as fast for any thread that
            calls it.
        size: The height and width of the pictures that it takes; None for any.
    """

    name: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ('float32',)
    requires: ClassVar[tuple[str, ...]] = ()
    own_threads: ClassVar[bool] = True
    size: torch.Size | None = None

    @abstractmethod
    def __init__(
        self, source: NetworkGraph, precision: str = 'float32', calibration: Iterable[Tensor] = ()
    ) -> None: ...

    @abstractmethod
    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network; see :meth:`__call__`."""

    def __call__(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network.

        Args:
            inputs: Normalised pictures, ``(N, C, H, W)``, float32, any number of them.

        Returns:
            What the network computes of them, float32: the scores ``(N, num_classes)``, or
            features.

        Raises:
            EngineError: If the pictures are not of the size that it was built for.
        """
        if self.size not in (None, inputs.shape[2:]):
            sizes = ['x'.join(map(str, size)) for size in (self.size, inputs.shape[2:]) if size]
            raise EngineError(
                f'backend {self.name}: was built for pictures of {sizes[0]} pixels (height and '
                f'width), not {sizes[1]}; let the test pipeline of the config crop them'
            )
        return self.run(inputs)

    @classmethod
    def missing(cls, device: torch.device) -> str | None:
        """Tell what lacks here to run it.

        Args:
            device: Where it would run.

        Returns:
            What is not there, and how to get it; None if nothing lacks.
        """
        return missing_packages(*cls.requires)
