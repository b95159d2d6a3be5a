"""The networks, without knowledge of files, URLs and configs.

In: images. Out: features. Open ``wide_resnet_cifar`` first: it is the paper's own network, for
32x32 pixels. ``wide_resnet`` is the network for ImageNet. Importing this package registers both in
mmpretrain.
"""

from wrn.models.wide_resnet import WideResNet
from wrn.models.wide_resnet_cifar import WideResNetCIFAR

__all__ = ['WideResNet', 'WideResNetCIFAR']
