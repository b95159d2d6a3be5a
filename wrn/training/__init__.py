"""Training, testing and fine-tuning with mmengine's runner.

A config comes in, with the command-line options applied. Out come checkpoints and logs in its
``work_dir``, or the metrics and predictions of a test. Open ``runner`` first: it has ``train`` and
``test``. ``loop`` and ``seeding`` make training reproducible and exactly resumable, ``hooks`` has
what happens during a run, and ``finetune`` trains on a folder of images.
"""

from wrn.training.failures import run_errors
from wrn.training.finetune_config import annotate, finetune_config
from wrn.training.finetune_folder import REPORT, claim_folder, find_best, remove_checkpoints
from wrn.training.hooks.engine_hook import EngineHook
from wrn.training.hooks.termination import stop_on_sigterm
from wrn.training.launch import ask_first, has_accelerator, init_distributed, leave_distributed
from wrn.training.log_backends import LOG_BACKENDS, add_log_backend
from wrn.training.overfit import OverfitResult, overfit
from wrn.training.precision import use_mixed_precision
from wrn.training.runner import Results, test, train

__all__ = [
    'LOG_BACKENDS',
    'REPORT',
    'EngineHook',
    'OverfitResult',
    'Results',
    'add_log_backend',
    'annotate',
    'ask_first',
    'claim_folder',
    'find_best',
    'finetune_config',
    'has_accelerator',
    'init_distributed',
    'leave_distributed',
    'overfit',
    'remove_checkpoints',
    'run_errors',
    'stop_on_sigterm',
    'test',
    'train',
    'use_mixed_precision',
]
