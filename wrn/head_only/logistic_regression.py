"""Fit a linear classifier on features, and choose its regularization on other images."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

# Of the mean loss with standardized features: from one that leaves each weight at hundredths to one
# that separates any images. Half decades: accuracy hardly changes between neighbors.
STRENGTHS = tuple(10 ** (1 - step / 2) for step in range(13))
_MAX_STEPS = 1000  # of L-BFGS for one strength; the digits need at most 200
# The largest derivative at the end. The loss is then within 1e-6 of its minimum, as scikit-learn
# finds it (tests/unit/test_logistic_regression.py).
_GRADIENT = 1e-6
# Multiply-adds of a product of features and weights: below that, one thread is as fast as several,
# and does not wait for others where programs share the cores.
_FOR_THREADS = 10**8
_CHANGE = 1e-10  # of the loss, from step to step: below that, rounding stops the progress


class Labeled(NamedTuple):
    """The features of images, and their classes.

    Attributes:
        features: ``(N, C)``.
        labels: ``(N,)``, int64.
    """

    features: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Trial:
    """The results of a classifier with one strength of the regularization.

    Attributes:
        strength: The strength.
        train_loss: The mean cross-entropy of the training images, without the regularization.
        train_accuracy: The share of the training images that are classified correctly, in percent.
        val_loss: As ``train_loss``, of the validation images.
        val_accuracy: As ``train_accuracy``, of the validation images.
        converged: Whether L-BFGS reached the minimum.
    """

    strength: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    converged: bool


@dataclass(frozen=True)
class LinearFit:
    """A linear classifier on features.

    Attributes:
        weight: ``(num_classes, C)``, float32.
        bias: ``(num_classes,)``, float32.
        trials: The results with each strength, from strong to weak.
        best: The one of the classifier.
    """

    weight: Tensor
    bias: Tensor
    trials: list[Trial]
    best: Trial


def fit_linear(
    train: Labeled,
    val: Labeled,
    num_classes: int,
    class_weights: Sequence[float] | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearFit:
    """Fit multinomial logistic regressions, and return the one that is best in validation.

    Each minimizes the mean cross-entropy plus ``strength / 2`` times the sum of the squared weights
    by L-BFGS in float64, starting from the minimum of the next higher strength. scikit-learn's
    ``LogisticRegression(C=1 / (strength * N))`` has the same minimum. For this the features are
    standardized; the result is for features as they are. The best has the highest validation
    accuracy; of several, the lowest validation loss.

    Args:
        train: The images to fit, on the device to compute on.
        val: The images to choose the strength with.
        num_classes: The number of classes.
        class_weights: The weight of the images of each class, in losses and accuracies. Defaults to
            None: all are 1.
        strengths: The strengths to try, from strong to weak. Defaults to :data:`STRENGTHS`.

    Returns:
        The classifier.
    """
    mean, std = _measure(train.features.double())
    train, val = (
        Labeled((features.double() - mean) / std, labels) for features, labels in (train, val)
    )
    basis = _find_basis(train.features)
    if basis is not None:
        train, val = (Labeled(features @ basis, labels) for features, labels in (train, val))
    per_class = torch.ones(num_classes, dtype=torch.double)
    if class_weights is not None:
        per_class = torch.tensor(class_weights, dtype=torch.double)
    per_class = per_class.to(train.features.device)
    shape = (num_classes, train.features.shape[1])
    weight = train.features.new_zeros(shape).requires_grad_()
    bias = train.features.new_zeros(num_classes).requires_grad_()
    trials: list[Trial] = []
    best = None
    with _fitting_threads(train.features.numel() * num_classes):
        for strength in strengths:
            converged = _minimize(train, weight, bias, strength, per_class)
            with torch.no_grad():
                train_results, val_results = (
                    _evaluate(images, weight, bias, per_class) for images in (train, val)
                )
            trials.append(Trial(strength, *train_results, *val_results, converged))
            if best is None or _rank(trials[-1]) > _rank(best[0]):
                best = trials[-1], weight.detach().clone(), bias.detach().clone()
    assert best is not None  # for mypy: there is a strength
    chosen, weight, bias = best
    weight = (weight if basis is None else weight @ basis.T) / std
    return LinearFit(weight.float(), (bias - weight @ mean).float(), trials, chosen)


@contextlib.contextmanager
def _fitting_threads(work: int) -> Iterator[None]:
    """Compute with one thread during a block, if more would not be faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if work >= _FOR_THREADS else 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each feature; 1 for a constant one."""
    mean, std = features.mean(0), features.std(0, correction=0)
    return mean, torch.where(std > 1e-8 * features.abs().amax(0), std, 1.0)


def _find_basis(features: Tensor) -> Tensor | None:
    """Return an orthonormal basis of ``N`` images, ``(C, N)``; None if they are not fewer than C.

    The weights at the minimum are combinations of the images, so as many coordinates are enough.
    """
    return torch.linalg.qr(features.T)[0] if len(features) < features.shape[1] else None


def _minimize(
    train: Labeled, weight: Tensor, bias: Tensor, strength: float, per_class: Tensor
) -> bool:
    """Change weights and bias in place, and return whether they have reached the minimum."""
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MAX_STEPS,
        max_eval=10 * _MAX_STEPS,
        tolerance_grad=_GRADIENT,
        tolerance_change=_CHANGE,
        history_size=10,
        line_search_fn='strong_wolfe',
    )

    def compute_loss() -> Tensor:
        optimizer.zero_grad()
        loss = _compute_loss(train, weight, bias, per_class) + strength / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(compute_loss)
    return bool(optimizer.state[weight]['n_iter'] < _MAX_STEPS)


def _compute_loss(images: Labeled, weight: Tensor, bias: Tensor, per_class: Tensor) -> Tensor:
    """Return the mean loss, as mmpretrain's: divided by the number of images, not by weights."""
    logits = functional.linear(images.features, weight, bias)
    return functional.cross_entropy(logits, images.labels, per_class, reduction='sum') / len(logits)


def _evaluate(
    images: Labeled, weight: Tensor, bias: Tensor, per_class: Tensor
) -> tuple[float, float]:
    """Return the loss, and the accuracy in percent."""
    correct = functional.linear(images.features, weight, bias).argmax(1) == images.labels
    weights = per_class[images.labels]
    accuracy = 100 * weights[correct].sum() / weights.sum()
    return _compute_loss(images, weight, bias, per_class).item(), accuracy.item()


def _rank(trial: Trial) -> tuple[float, float]:
    return trial.val_accuracy, -trial.val_loss
