"""What ``wrn train`` and ``wrn test`` do, over mmengine's runner."""

from wrn.training.backends import LOG_BACKENDS, add_log_backend
from wrn.training.finetuning import annotate, finetune_config
from wrn.training.fit_check import FitCheck, fit_check
from wrn.training.launch import has_accelerator, init_distributed, leave_distributed
from wrn.training.precision import use_mixed_precision
from wrn.training.resuming import is_restarted
from wrn.training.runner import Results, test, train
from wrn.training.stopping import ending_at_sigterm

__all__ = [
    'LOG_BACKENDS',
    'FitCheck',
    'Results',
    'add_log_backend',
    'annotate',
    'ending_at_sigterm',
    'finetune_config',
    'fit_check',
    'has_accelerator',
    'init_distributed',
    'is_restarted',
    'leave_distributed',
    'test',
    'train',
    'use_mixed_precision',
]
