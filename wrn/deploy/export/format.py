"""What all formats of exported files have in common."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from wrn.utils.packages import missing_packages

Run: TypeAlias = Callable[[Tensor], tuple[Tensor, ...]]


class Content(NamedTuple):
    """What a file is made of."""

    network: nn.Module
    """From one tensor to one."""
    example: Tensor
    """Inputs of it, of which the number of pictures is not kept."""
    metadata: str
    """What the file is to say of itself."""
    precision: str
    """What to store weights in."""
    calibration: Sequence[Tensor]
    """Inputs to calibrate ``'int8'`` with."""


class Format(Protocol):  # mypy reports what a subclass of a protocol leaves out
    """A format of exported files.

    Attributes:
        name: What it is called, as ``--format`` has it.
        suffix: That of its files.
        precisions: What weights can be stored in.
        requires: The modules that it needs beside torch to write; the last is the runtime.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ('float32',)
    requires: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file.

        Args:
            content: The network, and what belongs to it.
            path: Where to write.

        Raises:
            WrnError: If the network cannot be expressed in the format.
        """

    @abstractmethod
    def load_written(self, path: Path) -> Run:
        """Load a file that this process has written, as its users do: with the runtime's loader.

        Args:
            path: The file.

        Returns:
            The network as a function.
        """

    def files(self, path: Path) -> list[Path]:
        """Return the files that belong to an exported file, itself last."""
        return [path]

    def missing(self) -> str | None:
        """Tell what lacks here to write and run such files; None if nothing does."""
        return missing_packages(*self.requires)


class ReadableFormat(Format):
    """A format whose files are models here: they are read safely, whoever wrote them."""

    @abstractmethod
    def load(self, path: Path, device: torch.device) -> tuple[Run, str | None]:
        """Load a file that anybody may have written.

        Args:
            path: The file.
            device: Where to run.

        Returns:
            The network as a function, and what the file says of itself; None if it says nothing.

        Raises:
            WrnError: If the file is damaged, or does more than compute.
        """

    def load_written(self, path: Path) -> Run:
        """Load a file that this process has written."""
        return self.load(path, torch.device('cpu'))[0]
