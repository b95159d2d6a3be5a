"""The networks. They know no file, URL or config."""

from wrn.models.wide_resnet import WideResNet

__all__ = ['WideResNet']
