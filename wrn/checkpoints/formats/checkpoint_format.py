"""What a checkpoint format must state about itself."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor


class Implied(NamedTuple):
    """What is usual for the networks of a format. Keys and shapes do not prove it.

    Attributes:
        backbone: The usual config of the backbone, without what keys and shapes determine. A
            missing option has its default. None if nothing is usual.
        reason: What it is inferred from, as a clause for messages.
        normalization: The usual ``mean`` and ``std`` of the input, for RGB pixels from 0 to 255;
            None if there is no usual one.
    """

    backbone: Mapping[str, Any] | None = None
    reason: str = ''
    normalization: Mapping[str, list[float]] | None = None


class Target(NamedTuple):
    """A choice of ``wrn convert --to``.

    Attributes:
        format: The format to write.
        suffix: The usual suffix of such files.
        network: The type of network that such files can hold; None for all.
    """

    format: 'CheckpointFormat'
    suffix: str
    network: str | None


class CheckpointFormat(Protocol):  # mypy reports what a subclass of a protocol leaves out
    """A format of state dicts.

    It converts to and from OpenMMLab's keys, ``backbone.*`` and ``head.fc.*``.

    Attributes:
        name: The name, for ``wrn convert --to``.
        title: The name for messages.
        network: The type of network that is published in this format; None for all.
        drops: The endings of OpenMMLab's keys that the format does not have. torch initializes
            these weights when it loads such a file.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    network: ClassVar[str | None]
    drops: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether a state dict has the keys and shapes of this format."""

    @abstractmethod
    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict in this format to OpenMMLab's keys; no unknown tensor is lost."""

    @abstractmethod
    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict with OpenMMLab's keys to this format; no unknown tensor is lost."""

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return what is usual for the network of a state dict in this format.

        The default is nothing: networks with other options have the same keys.
        """
        return Implied()

    def find_loss(self, state_dict: Mapping[str, Tensor]) -> str | None:
        """Return why :meth:`to_openmmlab` does not restore the exact weights.

        Args:
            state_dict: The weights, with OpenMMLab's keys. Those in :attr:`drops` do not count.

        Returns:
            What is lost, for a message; None if the conversion is lossless.
        """
        return None

    def targets(self) -> dict[str, Target]:
        """Return the choices of ``wrn convert --to`` that write this format."""
        return {self.name: Target(self, '.pth', self.network)}

    def describe(self, meta: dict[str, Any], target: str, name: str) -> dict[str, Any] | None:
        """Return the metadata to write into a file in this format.

        Args:
            meta: The metadata from :func:`wrn.checkpoints.publish.make_meta`.
            target: A key of :meth:`targets`.
            name: The name of the file.

        Returns:
            The metadata. None makes a ``.pth`` file a plain state dict.

        Raises:
            WrnError: If a file of this name cannot have this format.
        """
        return None if name.endswith('.pth') else meta
