"""Where a run is logged to, beside its work folder."""

import importlib.util

from mmengine.config import Config

from wrn.config.config_parts import set_default
from wrn.utils.errors import WrnError

#: mmengine's backends by the name of the package that they need.
LOG_BACKENDS = {'tensorboard': 'TensorboardVisBackend', 'wandb': 'WandbVisBackend'}


def add_log_backend(cfg: Config, package: str) -> None:
    """Log to a backend of mmengine's, too.

    Args:
        cfg: The config; what it says of the backend already stays.
        package: The package that the backend needs: one of ``LOG_BACKENDS``.

    Raises:
        WrnError: If the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise WrnError(f'--{package}: {package} is not installed; run `pip install {package}`')
    visualizer = set_default(cfg, 'visualizer', dict(type='UniversalVisualizer'))
    backends = visualizer.get('vis_backends') or [dict(type='LocalVisBackend')]
    if LOG_BACKENDS[package] not in [backend['type'] for backend in backends]:
        visualizer.vis_backends = [*backends, dict(type=LOG_BACKENDS[package])]
