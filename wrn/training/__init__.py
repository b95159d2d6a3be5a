"""What ``wrn train`` and ``wrn test`` do, over mmengine's runner."""

from wrn.training.runner import test, train

__all__ = ['test', 'train']
