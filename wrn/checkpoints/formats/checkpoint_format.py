"""What a checkpoint format must state about itself."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor


class Assumption(NamedTuple):
    """Something that is likely for files of a format, and that no file states."""

    text: str
    """What is assumed, as ``wrn convert`` prints it."""
    options: Mapping[str, Any] = {}
    """The options of the backbone that :attr:`Implied.backbone` has as None."""


class Implied(NamedTuple):
    """What a format implies about the network of some weights."""

    backbone: Mapping[str, Any] | None = None
    """The config of the backbone, without what keys and shapes show. Options that are missing have
    their defaults; options that are None are unknown. None if no options are implied."""
    assumptions: Sequence[Assumption] = ()
    """What is assumed if no config states it."""
    normalization: Mapping[str, list[float]] | None = None
    """The usual ``mean`` and ``std`` of the input, for RGB pixels from 0 to 255; None if there is
    none."""


class Target(NamedTuple):
    """A choice of ``wrn convert --to``."""

    format: 'CheckpointFormat'
    suffix: str
    """The usual suffix of such files."""
    network: str | None
    """The type of the networks that such files can hold; None for all."""


class CheckpointFormat(Protocol):  # mypy reports what a subclass of a protocol leaves out
    """A format of state dicts.

    OpenMMLab's keys are ``backbone.*`` and ``head.fc.*``.

    Attributes:
        name: The name, for ``wrn convert --to``.
        title: Whose format it is, for messages.
        network: The type of the networks that have this format; None for all.
        drops: Endings of OpenMMLab's keys for which the format has no place, although the network
            does. torch initialises them when such a file is loaded.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    network: ClassVar[str | None]
    drops: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def recognise(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether keys and shapes are those of this format."""

    @abstractmethod
    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict of this format under OpenMMLab's keys; unknown keys stay."""

    @abstractmethod
    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict with OpenMMLab's keys in this format; unknown keys stay."""

    @abstractmethod
    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return what this format implies about the network of a state dict in it."""

    def is_lossless(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether :meth:`to_openmmlab` undoes :meth:`from_openmmlab` bit for bit.

        Args:
            state_dict: The weights, with OpenMMLab's keys; those that the format drops aside.
        """
        return True

    def targets(self) -> dict[str, Target]:
        """Return the choices of ``wrn convert --to`` that write this format."""
        return {self.name: Target(self, '.pth', self.network)}

    def describe(self, meta: dict[str, Any], target: str, name: str) -> dict[str, Any] | None:
        """Return the metadata to write beside weights in this format.

        Args:
            meta: What is known of the weights, as :func:`wrn.checkpoints.publish.describe` returns.
            target: A key of :meth:`targets`.
            name: The name of the file.

        Returns:
            The metadata. None makes a ``.pth`` file a plain state dict.

        Raises:
            WrnError: If files of this name cannot have this format.
        """
        return None if name.endswith('.pth') else meta
