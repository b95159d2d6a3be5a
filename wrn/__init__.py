"""Wide Residual Networks for mmpretrain.

Importing this package registers its networks, datasets, metrics and hooks in mmpretrain's
registries, its models in mmpretrain's hub, and safe checkpoint loaders in mmengine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wrn.utils.compat.quick_imports import quick_imports
from wrn.utils.silence import silence
from wrn_base.import_errors import report_import_errors

# mmpretrain's fork prints what it does not find.
with report_import_errors(), quick_imports(), silence():
    from mmpretrain import list_models

    from wrn.checkpoints import pretrained_init, schemes  # noqa: F401 - registers its initializer
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
    from wrn.utils.compat.hue import take_negative_hue
    from wrn.utils.compat.model_hub import override_models
    from wrn.zoo.factory import get_model
    from wrn_base import model_index
    from wrn_base.errors import WrnError
    from wrn_base.version import __version__

if TYPE_CHECKING:
    from wrn.data.check_folder import check_folder as check_data
    from wrn.jobs.convert import convert
    from wrn.jobs.explain import explain
    from wrn.jobs.export import export
    from wrn.jobs.finetune import finetune
    from wrn.jobs.predict import predict
    from wrn.jobs.publish import publish
    from wrn.jobs.test import test
    from wrn.jobs.train import train
    from wrn.jobs.verify import verify

_JOBS = {
    'check_data': 'wrn.data.check_folder:check_folder',
    **{
        name: f'wrn.jobs.{name}:{name}'
        for name in (
            'convert',
            'explain',
            'export',
            'finetune',
            'predict',
            'publish',
            'test',
            'train',
            'verify',
        )
    },
}

schemes.register()
override_models(model_index.models)
check_config_files(reject_irregular)
take_negative_hue()


def __getattr__(name: str) -> Any:
    """Import a job when it is first used: registering networks needs none."""
    if name not in _JOBS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module, _, function = _JOBS[name].partition(':')
    return getattr(import_module(module), function)


def __dir__() -> list[str]:
    """Return the public names, which editors complete."""
    return __all__


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
    'WrnError',
    '__version__',
    'as_classifier',
    'check_data',
    'convert',
    'explain',
    'export',
    'extract_features',
    'finetune',
    'get_model',
    'inference_model',
    'list_models',
    'predict',
    'publish',
    'test',
    'train',
    'verify',
]
