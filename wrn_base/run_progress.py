"""What a run reports while it works, for whoever shows it.

Training and testing call the methods of a :class:`RunProgress`. The command line passes a
:class:`wrn_base.display.Display`. A program may pass an object of its own.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """A finished step: one batch.

    Attributes:
        task: What the step is part of: training, a validation during it, a test, or computing the
            features that a head is trained on.
        step: The number of the step in its epoch, from 1; of the run, if it does not count epochs.
            For features, it is the number of images that are done.
        steps: The number of steps in the epoch, or in the run, or of images.
        share: The share of the whole run that is done, from 0 to 1.
        epoch: The number of the epoch, from 1. Defaults to None: the run does not count epochs.
        epochs: The number of epochs. Defaults to None.
        loss: The mean loss of the last steps. Defaults to None.
        images_per_second: The throughput of all processes. Defaults to None: not known yet.
        seconds_left: The time until the run ends. Defaults to None: not known yet.
    """

    task: Literal['train', 'val', 'test', 'features']
    step: int
    steps: int
    share: float
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    images_per_second: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Epoch:
    """A finished epoch, or the steps up to a validation in a run that does not count epochs.

    Attributes:
        number: The number of the epoch, or of the step.
        total: The number of epochs, or of steps.
        unit: What is counted. Defaults to ``'epoch'``.
        loss: The mean training loss. Defaults to None.
        rate: The learning rate of the last step. Defaults to None.
        metric: The name of the validation metric, such as ``'accuracy'``. Defaults to None: not
            validated.
        value: Its value.
        best: The best value so far. Defaults to None: not known.
        images: The number of validation images, which limits the digits to show.
        stopped: Whether the run stops early after it. Defaults to False.
    """

    number: int
    total: int
    unit: Literal['epoch', 'step'] = 'epoch'
    loss: float | None = None
    rate: float | None = None
    metric: str | None = None
    value: float = 0.0
    best: float | None = None
    images: int = 0
    stopped: bool = False


class RunProgress:
    """Receives what a run reports. This class ignores it: the run is silent.

    Only the first process of a distributed job reports.

    Attributes:
        verbose: Whether mmengine's log must appear on the screen too.
    """

    verbose = False

    def phase(self, name: str) -> None:
        """Receive what the run begins with now, such as ``'reading data'``."""

    def note(self, text: str) -> None:
        """Receive a message, such as the name of the log file."""

    def step(self, step: Step) -> None:
        """Receive a finished step."""

    def epoch(self, epoch: Epoch) -> None:
        """Receive a finished epoch."""

    def estimate(self, seconds: float, what: str, on_cpu: bool) -> None:
        """Receive how long the run will take; this comes once, after the first steps.

        Args:
            seconds: The whole duration.
            what: What takes this time, such as ``'20 epochs'``.
            on_cpu: Whether the network runs on the CPU.
        """

    def end(self, text: str | None = None) -> None:
        """Receive that the training or the test is complete.

        Args:
            text: What was done, such as ``'20 epochs in 1:23'``. Defaults to None.
        """

    def close(self) -> None:
        """Receive that nothing more comes. This may come twice."""


SILENT = RunProgress()
"""Nobody receives what a run reports."""
