"""Log a run without importing matplotlib.

mmengine's ``Visualizer`` also writes the log of a run. It imports matplotlib and creates a figure
when it is built, which takes 0.8 s, and few runs draw anything. This visualizer creates its figure
with the first image. Can go when mmengine creates the figure in ``set_image``.
"""

from typing import Any

import numpy as np
from mmengine.config import Config
from mmpretrain.registry import VISUALIZERS
from mmpretrain.visualization import UniversalVisualizer


class _NoFigure:
    """The part of a figure that mmengine uses when it builds a visualizer."""

    def get_dpi(self) -> None:
        return None


@VISUALIZERS.register_module()
class QuickVisualizer(UniversalVisualizer):
    """mmpretrain's visualizer, which creates its figure with the first image.

    The arguments are those of :class:`mmpretrain.visualization.UniversalVisualizer`.
    """

    dpi: float | None

    def _initialize_fig(self, fig_cfg: dict[str, Any]) -> tuple[None, _NoFigure, None]:
        return None, _NoFigure(), None

    def set_image(self, image: np.ndarray) -> None:
        """Set the image to draw on.

        Args:
            image: The RGB pixels ``(H, W, 3)``.
        """
        if self.dpi is None:
            figure = super()._initialize_fig(self.fig_save_cfg)
            self.fig_save_canvas, self.fig_save, self.ax_save = figure
            self.dpi = self.fig_save.get_dpi()
        super().set_image(image)


def use_quick_visualizer(cfg: Config) -> None:
    """Replace the default visualizer of mmengine or mmpretrain in a config by this one.

    Args:
        cfg: The config, which is changed in place. A visualizer of another type stays.
    """
    if cfg.get('visualizer') is None:  # mmengine's default, which writes scalars.json
        cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
    if cfg.visualizer.get('type') in ('Visualizer', 'UniversalVisualizer'):
        cfg.visualizer.type = 'QuickVisualizer'
