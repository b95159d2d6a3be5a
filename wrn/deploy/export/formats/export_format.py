"""The interface of all formats of exported files."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from wrn.deploy.engines.engine import Forward


class Content(NamedTuple):
    """What is written to a file."""

    network: nn.Module
    """The network, from one tensor to one."""
    example: Tensor
    """Example inputs, ``(N, ...)``. All dimensions but N become fixed."""
    metadata: str
    """The metadata, as JSON."""
    precision: str
    """The precision of the weights."""
    calibration: Sequence[Tensor]
    """Batches of inputs for calibrating ``'int8'``."""


class Format(Protocol):  # mypy reports members that a subclass of a protocol does not define
    """A format of exported files.

    Attributes:
        name: The name of the format, as in ``--format``.
        suffix: The suffix of its files.
        precisions: The precisions that weights can be stored in.
        requires: The modules, besides torch, for writing and verifying a file.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ('float32',)
    requires: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file.

        Args:
            content: The network, its metadata and how to store it.
            path: The file to write.

        Raises:
            WrnError: If the network cannot be expressed in the format.
        """

    @abstractmethod
    def load_written(self, path: Path) -> Forward:
        """Load a file that this process has written, with the runtime that its users have.

        Args:
            path: The file.

        Returns:
            The network as a function.
        """

    def files(self, path: Path) -> list[Path]:
        """Return the files that belong to an exported file. The file itself is the last."""
        return [path]


class ReadableFormat(Format):
    """A format of files that this package can load as models, even if they are not trusted."""

    @abstractmethod
    def load(self, path: Path, device: torch.device) -> tuple[Forward, str | None]:
        """Load a file that is not trusted.

        Args:
            path: The file.
            device: The device to run on.

        Returns:
            The network as a function, and the metadata as JSON; None if the file has none.

        Raises:
            WrnError: If the file is damaged, or could do more than compute.
        """

    def load_written(self, path: Path) -> Forward:
        """Load a file that this process has written."""
        return self.load(path, torch.device('cpu'))[0]
