"""The formats in which Wide-ResNets are published, one class each.

A state dict of any format comes in and goes out under OpenMMLab's keys, which are this package's,
or the other way round. Open ``checkpoint_format`` first: it says what a format must state. A new
format is a module with its class, and a line in :data:`FORMATS`; the contract test covers it.
"""

from collections.abc import Mapping

from torch import Tensor

from wrn.checkpoints.formats.authors_cifar import AuthorsCifar
from wrn.checkpoints.formats.authors_imagenet import AuthorsImageNet
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Target
from wrn.checkpoints.formats.deepmind import DeepMind
from wrn.checkpoints.formats.openmmlab import OpenMMLab
from wrn.checkpoints.formats.torchvision import Torchvision
from wrn.checkpoints.formats.usb import USB
from wrn.checkpoints.formats.xternalz import Xternalz

# In the order in which they are tried.
FORMATS: tuple[CheckpointFormat, ...] = (
    OpenMMLab(),
    Torchvision(),
    AuthorsImageNet(),
    AuthorsCifar(),
    Xternalz(),
    USB(),
    DeepMind(),
)
# The choices of `wrn convert --to`.
TARGETS: dict[str, Target] = {
    name: target for form in FORMATS for name, target in form.targets().items()
}


def recognise(state_dict: Mapping[str, Tensor]) -> CheckpointFormat | None:
    """Find the format of a state dict by its keys and shapes.

    Args:
        state_dict: The weights, without the prefixes of wrappers.

    Returns:
        One of :data:`FORMATS`; None if it is none of these.
    """
    return next((form for form in FORMATS if form.recognise(state_dict)), None)
