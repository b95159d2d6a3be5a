"""The published formats of Wide-ResNets, one class each.

In: a state dict in one of these formats. Out: the same weights under OpenMMLab's keys, or the other
way round. Open ``checkpoint_format`` first: it defines what a format must state.

To add a format, write its class in a module here and add it to :data:`FORMATS`. The contract test
then covers it.
"""

from collections.abc import Mapping

from torch import Tensor

from wrn.checkpoints.formats.authors_cifar import AuthorsCifar
from wrn.checkpoints.formats.authors_imagenet import AuthorsImageNet
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Target
from wrn.checkpoints.formats.deepmind import DeepMind
from wrn.checkpoints.formats.meliketoy import Meliketoy
from wrn.checkpoints.formats.openmmlab import OpenMMLab
from wrn.checkpoints.formats.sam import SAM
from wrn.checkpoints.formats.torchvision import Torchvision
from wrn.checkpoints.formats.usb import USB
from wrn.checkpoints.formats.xternalz import Xternalz

# They are tried in this order.
FORMATS: tuple[CheckpointFormat, ...] = (
    OpenMMLab(),
    Torchvision(),
    AuthorsImageNet(),
    AuthorsCifar(),
    Xternalz(),
    USB(),
    DeepMind(),
    Meliketoy(),
    SAM(),
)
# The choices of `wrn convert --to`.
TARGETS: dict[str, Target] = {
    name: target for form in FORMATS for name, target in form.targets().items()
}


def recognize(state_dict: Mapping[str, Tensor]) -> CheckpointFormat | None:
    """Return the format of a state dict, detected from its keys; None if it is unknown.

    Args:
        state_dict: The weights, without the prefixes of wrappers.
    """
    return next((form for form in FORMATS if form.recognize(state_dict)), None)
