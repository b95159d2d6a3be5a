"""Log a run without waiting for what draws pictures.

mmengine's ``Visualizer`` is also what writes the log of a run, and it imports matplotlib and makes
a figure when it is built: 0.8 s, which few runs need. Here that is put off until there is a
picture to draw on. Can go when mmengine makes its figure in ``set_image``.
"""

from typing import Any

import numpy as np
from mmengine.config import Config
from mmpretrain.registry import VISUALIZERS
from mmpretrain.visualization import UniversalVisualizer


class _NoFigure:
    """What mmengine asks of a figure when it is built."""

    def get_dpi(self) -> None:
        return None


@VISUALIZERS.register_module()
class QuickVisualizer(UniversalVisualizer):
    """mmpretrain's visualizer, which makes its figure for the first picture.

    The arguments are those of :class:`mmpretrain.visualization.UniversalVisualizer`.
    """

    dpi: float | None

    def _initialize_fig(self, fig_cfg: dict[str, Any]) -> tuple:
        return None, _NoFigure(), None

    def set_image(self, image: np.ndarray) -> None:
        """Set the picture to draw on.

        Args:
            image: The pixels ``(H, W, 3)``, red, green, blue.
        """
        if self.dpi is None:
            figure = super()._initialize_fig(self.fig_save_cfg)
            self.fig_save_canvas, self.fig_save, self.ax_save = figure
            self.dpi = self.fig_save.get_dpi()
        super().set_image(image)


def use_quick_visualizer(cfg: Config) -> None:
    """Let a config that has mmengine's or mmpretrain's visualizer, or none, log with this one.

    Args:
        cfg: The config, which is changed.
    """
    if cfg.get('visualizer') is None:  # as mmengine's default, which writes scalars.json
        cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
    if cfg.visualizer.get('type') in ('Visualizer', 'UniversalVisualizer'):
        cfg.visualizer.type = 'QuickVisualizer'
