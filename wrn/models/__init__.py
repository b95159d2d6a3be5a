"""The networks: images come in, features go out. They know no file, URL or config.

Open :mod:`~wrn.models.wide_resnet_cifar` first: it is the paper's own network, for 32x32 pixels.
:mod:`~wrn.models.wide_resnet` is the one for ImageNet. Importing this package registers both with
mmpretrain.
"""

from wrn.models.wide_resnet import WideResNet
from wrn.models.wide_resnet_cifar import WideResNetCIFAR

__all__ = ['WideResNet', 'WideResNetCIFAR']
