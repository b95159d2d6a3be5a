"""Charts of the results of a head with each strength of its regularization."""

from collections.abc import Sequence

from wrn.head_only.logistic_regression import Trial
from wrn.training.evaluation.line_chart import Chart, Curves, Line
from wrn_base.errors import count

_SPLITS = {'train': 'training', 'val': 'validation'}


def make_trial_curves(name: str, trials: Sequence[Trial], best: Trial) -> Curves:
    """Make charts of loss and accuracy of the training and validation images over the strength.

    Args:
        name: The name of the run.
        trials: The results with each strength.
        best: The one that was chosen, which is marked.

    Returns:
        The charts.
    """
    strengths = [trial.strength for trial in trials]
    charts = [
        Chart(
            title,
            'strength of the regularization',
            [
                Line(label, strengths, [getattr(trial, f'{split}_{value}') for trial in trials])
                for split, label in _SPLITS.items()
            ],
            log_x=True,
            log_y=value == 'loss',
            chosen=best.strength,
            chosen_label=f'chosen: {best.strength:.2g}',
        )
        for value, title in {'loss': 'loss (cross-entropy)', 'accuracy': 'accuracy (%)'}.items()
    ]
    tried = f'{count(len(trials), "strength")} tried'
    return Curves(name, 'Training of the head', tried, charts)
