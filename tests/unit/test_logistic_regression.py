"""The head of `wrn finetune --head-only`, compared with scikit-learn's logistic regression."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from wrn.head_only.logistic_regression import STRENGTHS, Labeled, fit_linear


@pytest.fixture(scope='module')
def wine():
    """Features of very different scales: proline is in the hundreds, hue around one."""
    features, labels = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    features, labels = torch.from_numpy(features[order]), torch.from_numpy(labels[order])
    parts = slice(120), slice(120, None)
    return [Labeled(features[part].float(), labels[part]) for part in parts]


def theirs(train, strength, weights=None):
    """Standardize and fit with scikit-learn."""
    steps = (
        StandardScaler(),
        LogisticRegression(
            C=1 / (strength * len(train.labels)), class_weight=weights, tol=1e-10, max_iter=100_000
        ),
    )
    return make_pipeline(*steps).fit(train.features.double().numpy(), train.labels.numpy())


@pytest.mark.parametrize('strength', STRENGTHS)
@pytest.mark.parametrize('balanced', [False, True])
def test_minimum_is_scikit_learns(wine, strength, balanced):
    train, val = wine
    counts = train.labels.bincount()
    weights = len(train.labels) / len(counts) / counts if balanced else torch.ones(3)
    model = theirs(train, strength, 'balanced' if balanced else None)
    fit = fit_linear(train, val, 3, weights.tolist() if balanced else None, [strength])
    assert fit.best.converged
    losses = []
    for images in wine:
        logits = functional.linear(images.features, fit.weight, fit.bias)
        expected = torch.from_numpy(model.predict_proba(images.features.double().numpy()))
        # The largest derivative is 1e-6. Divided by the strength, that bounds the distance of the
        # weights from the minimum; on training images it hardly changes the probabilities.
        atol = 5e-4 if images is train or strength > 1e-3 else 0.05
        torch.testing.assert_close(logits.softmax(1).double(), expected, rtol=0, atol=atol)
        true = expected.gather(1, images.labels[:, None])[:, 0]
        losses.append(-(weights[images.labels] * true.log()).mean().item())
        correct = expected.argmax(1) == images.labels
        share = weights[images.labels]
        accuracy = 100 * (share[correct].sum() / share.sum()).item()
    assert fit.best.val_accuracy == pytest.approx(accuracy)
    assert fit.best.val_loss == pytest.approx(losses[1], rel=0.02)  # as for the weights
    scale, coef = torch.from_numpy(model[0].scale_), model[1].coef_
    ours = fit.best.train_loss + strength / 2 * ((fit.weight.double() * scale) ** 2).sum().item()
    assert ours == pytest.approx(losses[0] + strength / 2 * (coef**2).sum(), rel=0, abs=1e-6)


def test_digits_with_more_features_than_images():
    images, labels = load_digits(return_X_y=True)
    features = torch.from_numpy(np.hstack([images, images**2, np.sqrt(images)])).float()
    labels = torch.from_numpy(labels)
    train, val = (Labeled(features[part], labels[part]) for part in (slice(150), slice(150, 900)))
    assert (train.features.std(0) == 0).any()  # pixels in the corners
    fit = fit_linear(train, val, 10)
    assert [trial.strength for trial in fit.trials] == [*STRENGTHS]
    assert all(trial.converged for trial in fit.trials)
    losses = [trial.train_loss for trial in fit.trials]
    assert losses == sorted(losses, reverse=True)
    predicted = functional.linear(features[900:], fit.weight, fit.bias).argmax(1)
    accuracy = (predicted == labels[900:]).double().mean().item()
    scores = []
    for strength in STRENGTHS:
        scores.append(theirs(train, strength).score(features[900:].double(), labels[900:]))
    assert accuracy > max(scores) - 0.01  # on images that did not select the strength


def test_best_has_the_highest_accuracy_and_then_the_lowest_loss(wine):
    fit = fit_linear(*wine, 3)
    accuracies = [trial.val_accuracy for trial in fit.trials]
    assert fit.best.val_accuracy == max(accuracies) > min(accuracies)
    tied = [trial for trial in fit.trials if trial.val_accuracy == max(accuracies)]
    assert len(tied) > 1
    assert fit.best.val_loss == min(trial.val_loss for trial in tied)
    logits = functional.linear(wine[1].features, fit.weight, fit.bias)
    loss = functional.cross_entropy(logits, wine[1].labels).item()
    assert loss == pytest.approx(fit.best.val_loss, abs=1e-4)


def test_class_weights_help_a_small_class():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 200 + [1] * 10)
    features = torch.randn(210, 2, generator=generator) + labels[:, None] * 1.5
    data = Labeled(features, labels)
    recalls = []
    for weights in (None, [210 / 400, 210 / 20]):
        fit = fit_linear(data, data, 2, weights)
        predicted = functional.linear(features, fit.weight, fit.bias).argmax(1)
        recalls.append((predicted[200:] == 1).double().mean().item())
    assert recalls[1] > recalls[0] + 0.3
