"""Test a head on features, and write the files that fine-tuning writes."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wrn.checkpoints import write_weights
from wrn.checkpoints.assumptions import get_preprocessing
from wrn.checkpoints.publish import make_meta
from wrn.data.image_folder import use_image_folders
from wrn.head_only.logistic_regression import Labeled, LinearFit
from wrn.head_only.trial_curves import make_trial_curves
from wrn.training.evaluation import REPORT_METRICS, Report, add_metrics
from wrn.training.evaluation.image_results import make_results
from wrn.training.finetune import Finetuned, ReportWriter
from wrn.training.finetune_folder import remove_checkpoints
from wrn.training.finetune_results import REPORT, WRITING, find_replaced
from wrn.training.hooks.record_images import RecordedTest, gives_rgb
from wrn.training.run_files import remove_files
from wrn.utils.files import write_atomically

_FACTS = 'head_only.json'  # in the run folder


def write_results(
    cfg: Config,
    network: BaseModel,
    fit: LinearFit,
    classes: Sequence[str],
    images: Labeled,
    provenance: str,
    write_report: ReportWriter,
    overwrite: bool,
) -> Finetuned:
    """Test a head, and write the weights and a report.

    Args:
        cfg: The config of the run, with the run folder as its ``work_dir``.
        network: The network without its head.
        fit: The head.
        classes: The class names.
        images: The features of the test images.
        provenance: Where the weights come from.
        write_report: Writes the report.
        overwrite: Whether to remove the run and the results that were there before.

    Returns:
        The results.

    Raises:
        WrnError: If a file cannot be written.
    """
    network.head, samples = _predict(cfg, fit, images)
    report, run = _test(cfg, samples, classes), Path(cfg.work_dir)
    if overwrite:
        remove_files(find_replaced(cfg))
        remove_checkpoints(run, cfg)
    scores = torch.stack([sample.pred_score for sample in samples])
    results = make_results(scores, images.labels, images.features.numpy())
    tested = RecordedTest(_build_dataset(cfg), network.eval(), gives_rgb(cfg), results)
    name = Path(str(cfg.filename)).stem
    facts = dict(best=fit.best.strength, trials=[asdict(trial) for trial in fit.trials])
    with write_atomically(run / _FACTS) as file:
        file.write((json.dumps(facts, indent=1) + '\n').encode())
    with write_atomically(run / str(cfg.filename)) as file:
        file.write(cfg.pretty_text.encode())
    (run / WRITING).touch()
    weights = _publish(cfg, network, classes, provenance)
    write_report(report, tested, lambda: make_trial_curves(name, fit.trials, fit.best))
    (run / WRITING).unlink()
    return Finetuned(weights, report, run.parent / REPORT)


def _predict(cfg: Config, fit: LinearFit, images: Labeled) -> tuple[nn.Module, list[DataSample]]:
    """Return the head, and its predictions for the test images from their features."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        head = MODELS.build(cfg.model.head).eval()
    head.load_state_dict(_get_weights(fit))
    samples = [DataSample().set_gt_label(label) for label in images.labels.tolist()]
    with torch.inference_mode():
        return head, head.predict((images.features,), samples)


def _test(cfg: Config, samples: Sequence[DataSample], classes: Sequence[str]) -> Report:
    """Return the report of the test, by the metrics of the config."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        evaluator = Evaluator(add_metrics(cfg.test_evaluator, *REPORT_METRICS))
    evaluator.dataset_meta = dict(classes=[*classes])
    evaluator.process(samples)
    return Report(evaluator.evaluate(len(samples)), classes)


def _build_dataset(cfg: Config) -> Any:
    """Return the test dataset, as a test with mmengine's runner builds it."""
    dataset = deepcopy(cfg.test_dataloader.dataset)
    use_image_folders(dataset)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(dataset)


def _publish(cfg: Config, network: BaseModel, classes: Sequence[str], provenance: str) -> Path:
    """Write the weights, with the metadata that fine-tuning writes, and return their path."""
    own, published = network._config, deepcopy(cfg)
    published.model.update(backbone=own.model.backbone)
    published.data_preprocessor.update(get_preprocessing(own), **_get_normalization(network))
    state_dict = {name: value.cpu() for name, value in network.state_dict().items()}
    meta = make_meta(dict(dataset_meta=dict(classes=[*classes])), published, provenance, None)
    name = f'{Path(str(cfg.filename)).stem}.pth'
    return write_weights(Path(cfg.work_dir).parent, name, state_dict, meta, overwrite=True)


def _get_weights(fit: LinearFit) -> dict[str, Tensor]:
    """Return the weights of the head by their keys in it."""
    return {'fc.weight': fit.weight.cpu(), 'fc.bias': fit.bias.cpu()}


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
