"""What ``wrn train`` and ``wrn test`` do, over mmengine's runner."""

from wrn.training.failures import run_errors
from wrn.training.finetune_config import annotate, finetune_config
from wrn.training.finetune_folder import REPORT, claim_folder, find_best, remove_checkpoints
from wrn.training.hooks.engine_hook import EngineHook
from wrn.training.hooks.termination import ending_at_sigterm
from wrn.training.launch import ask_first, has_accelerator, init_distributed, leave_distributed
from wrn.training.log_backends import LOG_BACKENDS, add_log_backend
from wrn.training.overfit import FitCheck, fit_check
from wrn.training.precision import use_mixed_precision
from wrn.training.runner import Results, test, train

__all__ = [
    'LOG_BACKENDS',
    'REPORT',
    'EngineHook',
    'FitCheck',
    'Results',
    'add_log_backend',
    'annotate',
    'ask_first',
    'claim_folder',
    'ending_at_sigterm',
    'find_best',
    'finetune_config',
    'fit_check',
    'has_accelerator',
    'init_distributed',
    'leave_distributed',
    'remove_checkpoints',
    'run_errors',
    'test',
    'train',
    'use_mixed_precision',
]
