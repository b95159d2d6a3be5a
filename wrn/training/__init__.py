"""What ``wrn train`` and ``wrn test`` do, over mmengine's runner."""

from wrn.training.launch import has_accelerator
from wrn.training.runner import test, train

__all__ = ['has_accelerator', 'test', 'train']
