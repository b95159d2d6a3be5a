"""Train the head of a network on the features of images, and publish the result."""

import json
import logging
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from wrn.checkpoints import ReadOptions, write_weights
from wrn.checkpoints.assumptions import get_preprocessing
from wrn.checkpoints.publish import make_meta
from wrn.data.splitting import Splits
from wrn.head_only.feature_network import build_feature_network
from wrn.head_only.image_features import Progress, compute_features
from wrn.head_only.logistic_regression import Labeled, LinearFit, fit_linear
from wrn.head_only.trial_curves import draw_trials
from wrn.training.evaluation import REPORT_METRICS, Report, add_metrics
from wrn.training.failures import run_errors
from wrn.training.finetune import Finetuned
from wrn.training.finetune_folder import REPORT
from wrn.training.hooks.termination import stop_on_sigterm
from wrn.utils.files import write_atomically
from wrn_base.errors import ImageReadError, WrnError, count, some

_FACTS = 'head_only.json'  # in the run folder
_logger = logging.getLogger('wrn')


def train_head(
    cfg: Config,
    splits: Splits,
    provenance: str,
    template: str | None,
    options: ReadOptions = ReadOptions(),
    skip_unreadable: bool = False,
    progress: Progress = lambda done, total: None,
) -> Finetuned:
    """Train a new head on the features of frozen weights, test it, and write weights and a report.

    The features of each image are computed once, and kept in a cache. The head is a multinomial
    logistic regression, with the strength of its regularization chosen on the validation images.
    The files are those of :func:`wrn.training.finetune.finetune`. ``run/head_only.json`` has the
    results with each strength.

    Args:
        cfg: A config made by :func:`wrn.training.make_finetune_config`, and marked by
            :func:`wrn.head_only.use_head_only`. Its ``work_dir`` was set by
            :func:`wrn.training.claim_folder`.
        splits: The images.
        provenance: Where the weights come from, to be recorded in their file.
        template: The file name of the config of the model to start from.
        options: What to take from the weights to start from. Defaults to the usual.
        skip_unreadable: Whether to leave out training images that cannot be read. Defaults to
            False.
        progress: Takes the number of images whose features are known, and of all. Defaults to
            nothing.

    Returns:
        The results.

    Raises:
        WrnError: If the run fails.
        RunStoppedError: If the run was asked to stop.
    """
    with run_errors('train'), stop_on_sigterm():
        run = Path(cfg.work_dir)
        with write_atomically(run / str(cfg.filename)) as file:
            file.write(cfg.pretty_text.encode())
        network = build_feature_network(cfg, template, options, get_device())
        features = _compute_splits(network, cfg, splits, skip_unreadable, progress)
        device = get_device() if torch.cuda.is_available() else 'cpu'
        train, val = (
            Labeled(*(tensor.to(device) for tensor in features[name])) for name in ('train', 'val')
        )
        weights = cfg.model.head.loss.get('class_weight')
        fit = fit_linear(train, val, len(splits.classes), weights)
        _report_fit(fit)
        facts = dict(best=fit.best.strength, trials=[asdict(trial) for trial in fit.trials])
        with write_atomically(run / _FACTS) as file:
            file.write((json.dumps(facts, indent=1) + '\n').encode())
        return _publish(cfg, network, splits.classes, features['test'], fit, provenance)


def _compute_splits(
    network: BaseModel, cfg: Config, splits: Splits, skip_unreadable: bool, progress: Progress
) -> dict[str, Labeled]:
    """Return the features and labels of each split; of each view of the training images."""
    rows = [
        (name, str(splits.folder / path), view, label)
        for name, images in splits.images.items()
        if name != 'test' or splits.tests_apart
        for path, label in images
        for view in range(cfg.head_only.views if name == 'train' else 1)
    ]
    seed = cfg.randomness.seed
    images = [(path, view) for _, path, view, _ in rows]
    found = compute_features(network, cfg, images, seed, skip_unreadable, progress)
    features: dict[str, tuple[list[np.ndarray], list[int]]] = {name: ([], []) for name, *_ in rows}
    skipped = set[str]()
    for (name, path, _, label), row in zip(rows, found, strict=True):
        if not isinstance(row, ImageReadError):
            features[name][0].append(row)
            features[name][1].append(label)
        elif name == 'train' and skip_unreadable:
            skipped.add(path)
        else:
            raise row
    if skipped:
        number = count(len(skipped), 'unreadable image')
        _logger.warning('Skipped %s, such as %s', number, some(skipped))
    if missing := {*range(len(splits.classes))} - {*features['train'][1]}:
        names = some(splits.classes[label] for label in missing)
        raise WrnError(f'{splits.folder}: no training image of {names} can be read; replace them')
    labeled = {
        name: Labeled(torch.from_numpy(np.stack(values)), torch.tensor(labels))
        for name, (values, labels) in features.items()
    }
    return {'test': labeled['val'], **labeled}


def _report_fit(fit: LinearFit) -> None:
    if not fit.best.converged:
        _logger.warning('head: L-BFGS has not reached the minimum; its accuracy may be lower')
    _logger.info(
        'head: regularization %.2g, the best of %d in validation (top-1 accuracy %.1f %%)',
        fit.best.strength,
        len(fit.trials),
        fit.best.val_accuracy,
    )


def _publish(
    cfg: Config,
    network: BaseModel,
    classes: Sequence[str],
    test: Labeled,
    fit: LinearFit,
    provenance: str,
) -> Finetuned:
    """Test the head, and write the weights and a report, as after fine-tuning."""
    head = {'fc.weight': fit.weight.cpu(), 'fc.bias': fit.bias.cpu()}
    report = _test(cfg, head, classes, test)
    parent = Path(cfg.work_dir).parent
    folder = parent / REPORT
    folder.mkdir(exist_ok=True)
    report.write(folder)
    with write_atomically(folder / 'curves.png') as file:
        draw_trials(fit.trials, fit.best).savefig(file, format='png')
    own = network._config
    published = deepcopy(cfg)
    published.model.update(backbone=own.model.backbone)
    published.data_preprocessor.update(get_preprocessing(own), **_get_normalization(network))
    state_dict = {name: value.cpu() for name, value in network.state_dict().items()}
    state_dict |= {f'head.{name}': value for name, value in head.items()}
    meta = make_meta(dict(dataset_meta=dict(classes=[*classes])), published, provenance, None)
    name = f'{Path(str(cfg.filename)).stem}.pth'
    return Finetuned(write_weights(parent, name, state_dict, meta), report, folder)


def _test(
    cfg: Config, weights: dict[str, Tensor], classes: Sequence[str], images: Labeled
) -> Report:
    """Return the report of the test, by the metrics of the config, from features."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        head = MODELS.build(cfg.model.head)
        head.load_state_dict(weights)
        samples = [DataSample().set_gt_label(label) for label in images.labels.tolist()]
        with torch.inference_mode():
            samples = head.eval().predict((images.features,), samples)
        evaluator = Evaluator(add_metrics(cfg.test_evaluator, *REPORT_METRICS))
    evaluator.dataset_meta = dict(classes=[*classes])
    evaluator.process(samples)
    return Report(evaluator.evaluate(len(samples)), classes)


def _get_normalization(network: BaseModel) -> dict[str, Any]:
    """Return the mean and the std of a network that differ from those of its config.

    The file of its weights, or the caller, has then given others.
    """
    configured = get_preprocessing(network._config)
    used = dict(network.data_preprocessor.named_buffers())
    return {
        name: used[name].flatten().tolist()
        for name in ('mean', 'std')
        if name in used
        and used[name].flatten().tolist() != torch.tensor(configured.get(name, [])).tolist()
    }
