"""Wide Residual Networks for mmpretrain.

Importing this package registers its networks, datasets, metrics and hooks in mmpretrain's
registries, its models in mmpretrain's hub, and safe checkpoint loaders in mmengine.
"""

from wrn.utils.compat.quick_imports import quick_imports

with quick_imports():
    from mmpretrain import list_models

    from wrn.checkpoints import schemes
    from wrn.config.data_config import reject_irregular
    from wrn.data import SVHN, Digits
    from wrn.inference import as_classifier, extract_features, inference_model
    from wrn.models import WideResNet, WideResNetCIFAR
    from wrn.training.evaluation import Calibration, PredictionWriter
    from wrn.training.hooks.performance import CompileHook, TF32Hook
    from wrn.training.hooks.progress_log import ProgressLogProcessor, ThroughputHook
    from wrn.training.precision import BFloat16OptimWrapper
    from wrn.utils.compat import marked_json, safe_yaml  # noqa: F401 - register their handlers
    from wrn.utils.compat.config_files import check_config_files
    from wrn.utils.compat.model_hub import override_models
    from wrn.zoo.factory import get_model
    from wrn_base import model_index
    from wrn_base.version import __version__

schemes.register()
override_models(model_index.models)
check_config_files(reject_irregular)

__all__ = [
    'SVHN',
    'BFloat16OptimWrapper',
    'Calibration',
    'CompileHook',
    'Digits',
    'PredictionWriter',
    'ProgressLogProcessor',
    'TF32Hook',
    'ThroughputHook',
    'WideResNet',
    'WideResNetCIFAR',
    '__version__',
    'as_classifier',
    'extract_features',
    'get_model',
    'inference_model',
    'list_models',
]
