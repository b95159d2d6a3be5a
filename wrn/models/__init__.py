"""The networks. They know no file, URL or config."""

from wrn.models.wide_resnet import WideResNet
from wrn.models.wide_resnet_cifar import WideResNetCIFAR

__all__ = ['WideResNet', 'WideResNetCIFAR']
