"""Train the head of a network on the features of images, and publish the result."""

import logging

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel

from wrn.checkpoints import ReadOptions
from wrn.data.splitting import Splits
from wrn.head_only.feature_network import build_feature_network
from wrn.head_only.head_results import write_results
from wrn.head_only.image_features import compute_features
from wrn.head_only.logistic_regression import Labeled, LinearFit, fit_linear
from wrn.head_only.phases import AGAIN, interruptible
from wrn.training.failures import run_errors
from wrn.training.finetune import Finetuned, ReportWriter
from wrn.training.hooks.termination import stop_on_sigterm
from wrn.training.run_device import get_run_device
from wrn_base.errors import ImageReadError, WrnError, count, some
from wrn_base.progress_line import format_metric
from wrn_base.run_progress import SILENT, RunProgress

_logger = logging.getLogger('wrn')


def train_head(
    cfg: Config,
    splits: Splits,
    provenance: str,
    template: str | None,
    write_report: ReportWriter,
    options: ReadOptions = ReadOptions(),
    skip_unreadable: bool = False,
    overwrite: bool = False,
    progress: RunProgress = SILENT,
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
        write_report: Writes the report.
        options: What to take from the weights to start from. Defaults to the usual.
        skip_unreadable: Whether to leave out training images that cannot be read. Defaults to
            False.
        overwrite: Whether to replace the run and the results in the folder. Defaults to False.
        progress: Receives the images whose features are known as steps. Defaults to nobody.

    Returns:
        The results.

    Raises:
        WrnError: If the run fails.
        RunStoppedError: If the run was asked to stop.
    """
    with run_errors('train'), stop_on_sigterm(AGAIN):
        with interruptible(progress, 'loading the weights'):
            device = get_run_device(cfg)
            network = build_feature_network(cfg, template, options, device)
        features = _compute_splits(network, cfg, splits, skip_unreadable, progress)
        place = device if torch.device(device).type == 'cuda' else 'cpu'  # others have no float64
        with interruptible(progress, 'fitting the head'):
            train, val = (
                Labeled(*(tensor.to(place) for tensor in features[name]))
                for name in ('train', 'val')
            )
            weights = cfg.model.head.loss.get('class_weight')
            fit = fit_linear(train, val, len(splits.classes), weights)
        _log_fit(fit, len(val.labels))
        with interruptible(progress, 'writing the results'):
            return write_results(
                cfg,
                network,
                fit,
                splits.classes,
                features['test'],
                provenance,
                write_report,
                overwrite,
            )


def _compute_splits(
    network: BaseModel, cfg: Config, splits: Splits, skip_unreadable: bool, progress: RunProgress
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
        _logger.warning('skipped %s, such as %s', number, some(skipped))
    if missing := {*range(len(splits.classes))} - {*features['train'][1]}:
        names = some(splits.classes[label] for label in missing)
        raise WrnError(f'{splits.folder}: no training image of {names} can be read; replace them')
    labeled = {
        name: Labeled(torch.from_numpy(np.stack(values)), torch.tensor(labels))
        for name, (values, labels) in features.items()
    }
    return {'test': labeled['val'], **labeled}


def _log_fit(fit: LinearFit, images: int) -> None:
    if not fit.best.converged:
        _logger.warning('head: L-BFGS has not reached the minimum; its accuracy may be lower')
    _logger.info(
        'head: regularization %.2g, the best of %d; validation accuracy %s',
        fit.best.strength,
        len(fit.trials),
        format_metric('accuracy', fit.best.val_accuracy, images),
    )
