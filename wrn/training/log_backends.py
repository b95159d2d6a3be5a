"""Log a run to TensorBoard or Weights & Biases, besides its work folder."""

import importlib.util

from mmengine.config import Config

from wrn.config.config_parts import set_default
from wrn_base.errors import WrnError

#: mmengine's visualization backends, by the package that each needs.
LOG_BACKENDS = {'tensorboard': 'TensorboardVisBackend', 'wandb': 'WandbVisBackend'}


def add_log_backend(cfg: Config, package: str) -> None:
    """Add one of mmengine's visualization backends to a config.

    Args:
        cfg: The config. It is not changed if it already has the backend.
        package: The package that the backend needs, a key of ``LOG_BACKENDS``.

    Raises:
        WrnError: If the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise WrnError(f'--{package}: {package} is not installed; run `pip install {package}`')
    visualizer = set_default(cfg, 'visualizer', dict(type='UniversalVisualizer'))
    backends = visualizer.get('vis_backends') or [dict(type='LocalVisBackend')]
    if LOG_BACKENDS[package] not in [backend['type'] for backend in backends]:
        visualizer.vis_backends = [*backends, dict(type=LOG_BACKENDS[package])]
