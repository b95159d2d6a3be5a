"""Plot the results of a head with each strength of its regularization."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wrn.head_only.logistic_regression import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_trials(trials: Sequence[Trial], best: Trial) -> 'Figure':
    """Plot loss and accuracy of the training and validation images over the strength.

    Args:
        trials: The results with each strength.
        best: The one that was chosen, which is marked.

    Returns:
        The plots, side by side.
    """
    from matplotlib.figure import Figure  # slow to import, and needed by few commands

    figure = Figure(figsize=(10, 3.2), layout='constrained', dpi=150)
    axes = figure.subplots(1, 2)
    strengths = [trial.strength for trial in trials]
    plots = {'loss': 'cross-entropy', 'accuracy': 'top-1 accuracy (%)'}
    for axis, (name, title) in zip(axes, plots.items(), strict=True):
        for split, label in (('train', 'training'), ('val', 'validation')):
            values = [getattr(trial, f'{split}_{name}') for trial in trials]
            axis.plot(strengths, values, marker='.', label=label)
        axis.axvline(best.strength, color='gray', linestyle=':', label='chosen')
        axis.set(title=title, xlabel='strength of the regularization', xscale='log')
        axis.grid(alpha=0.3)
    axes[0].set_yscale('log')
    axes[0].legend(fontsize='small')
    return figure
