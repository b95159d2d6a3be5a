"""Training, testing and fine-tuning with mmengine's runner.

In: a config with the command-line options applied. Out: checkpoints and logs in its ``work_dir``,
or the metrics and predictions of a test. Open ``runner`` first: it has ``train`` and ``test``.
``loop`` and ``seeding`` make training reproducible and exactly resumable. ``hooks`` act during a
run. ``stretch_schedule``, ``batch_and_rate``, ``patience`` and ``run_device`` apply options to a
config, and ``short_warm_up`` leaves out warm-ups of one step. ``finetune`` trains on a folder of
images, which ``small_data`` and ``class_weights`` describe and balance. ``testing_config`` makes
the config of a test on any model and data.
"""

from wrn.training.failures import run_errors
from wrn.training.finetune_config import make_finetune_config, write_annotations
from wrn.training.finetune_folder import claim_folder
from wrn.training.hooks.engine_hook import EngineHook
from wrn.training.launch import has_accelerator, init_distributed, leave_distributed
from wrn.training.log_backends import LOG_BACKENDS, add_log_backend
from wrn.training.overfit import overfit_batch
from wrn.training.precision import use_mixed_precision
from wrn.training.run_lock import lock_folder
from wrn.training.runner import Results, test, train
from wrn.training.screen_log import keep_off_screen, log_warning
from wrn.training.train_result import Trained

__all__ = [
    'LOG_BACKENDS',
    'EngineHook',
    'Results',
    'Trained',
    'add_log_backend',
    'claim_folder',
    'has_accelerator',
    'init_distributed',
    'keep_off_screen',
    'leave_distributed',
    'lock_folder',
    'log_warning',
    'make_finetune_config',
    'overfit_batch',
    'run_errors',
    'test',
    'train',
    'use_mixed_precision',
    'write_annotations',
]
