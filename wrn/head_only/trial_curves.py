"""Plot the results of a head with each strength of its regularization."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from wrn.head_only.logistic_regression import Trial
from wrn.training.evaluation.curve_plots import COLORS
from wrn.training.evaluation.plot_scale import bound_percent, set_log_scale
from wrn_base.errors import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLITS = {'train': 'training', 'val': 'validation'}


def draw_trials(trials: Sequence[Trial], best: Trial) -> 'Figure':
    """Plot loss and accuracy of the training and validation images over the strength.

    Args:
        trials: The results with each strength.
        best: The one that was chosen, which is marked.

    Returns:
        The plots, side by side.
    """
    from matplotlib.figure import Figure  # slow to import, and needed by few commands

    figure = Figure(figsize=(8, 3.9), layout='constrained', dpi=150)
    axes = figure.subplots(1, 2)
    strengths = [trial.strength for trial in trials]
    plots = {'loss': 'loss (cross-entropy)', 'accuracy': 'accuracy (%)'}
    for axis, (name, title) in zip(axes, plots.items(), strict=True):
        values = {split: [getattr(t, f'{split}_{name}') for t in trials] for split in _SPLITS}
        for (split, label), color in zip(_SPLITS.items(), COLORS, strict=False):
            axis.plot(strengths, values[split], marker='.', label=label, color=color)
        axis.set(title=title, xlabel='strength of the regularization')
        axis.grid(alpha=0.3)
        set_log_scale(axis, 'x', strengths)
        if name == 'loss':
            set_log_scale(axis, 'y', chain(*values.values()))
        else:
            bound_percent(axis)
        axis.axvline(best.strength, color='0.5', linestyle=':', zorder=0)
        chosen = dict(marker='*', markersize=12, linestyle='none', color=COLORS[1])
        label = f'chosen: {best.strength:.2g}'
        axis.plot([best.strength], [getattr(best, f'val_{name}')], label=label, **chosen)
        axis.legend(fontsize='small')
    figure.suptitle(
        f'Training of the head, {count(len(trials), "strength")} tried\n'
        f'validation accuracy {best.val_accuracy:.1f} % at the chosen one',
        fontsize=11,
    )
    return figure
