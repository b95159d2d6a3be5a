"""Let a test run on a data folder."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmpretrain.registry import TRANSFORMS

from wrn.config.config_parts import choose_topk, get_test_dataset
from wrn.data.images import is_red_first
from wrn.data.test_images import find_test_images
from wrn.training.checks import get_head, predicts_one_class
from wrn.training.evaluation import REPORT_METRICS
from wrn.training.finetune_config import FINE_TUNED
from wrn_base.errors import WrnError

_logger = logging.getLogger('wrn')


@TRANSFORMS.register_module()
class ReverseChannels(BaseTransform):
    """Turn a BGR image, as files are read, into RGB, for pipelines of datasets that hold RGB."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Reverse the channels of ``img``, ``(H, W, 3)``. A gray image, ``(H, W)``, stays."""
        if results['img'].ndim == 3:
            results['img'] = np.ascontiguousarray(results['img'][..., ::-1])
        return results


def use_test_images(
    cfg: Config,
    folder: str,
    ann_file: str | None = None,
    num_classes: int | None = None,
    provenance: str | None = None,
) -> None:
    """Replace the test data of a config by a data folder, and its metrics by those of a report.

    The preprocessing stays, so that each image is predicted as by ``wrn predict``. The classes are
    compared by name when the run starts: :class:`wrn.training.hooks.model_checks.ClassCheckHook`.

    Args:
        cfg: The config of a test, which is changed.
        folder: As for :func:`wrn.data.test_images.find_test_images`.
        ann_file: As for :func:`wrn.data.test_images.find_test_images`. Defaults to None.
        num_classes: The number of classes of the network. Defaults to None: that of its head.
        provenance: Where the weights come from, as ``wrn finetune`` records it. Defaults to None:
            unknown.

    Raises:
        WrnError: If the folder cannot be used, or the model predicts other than one class per
            image.
    """
    head, kind = get_head(cfg.model)
    if not predicts_one_class(cfg.model):
        raise WrnError(
            f'--data: needs a model that predicts one class per image, not a {kind.__name__}; '
            'describe the data in a config'
        )
    place, labels = find_test_images(folder, ann_file)
    listed = f', by the labels in {labels}' if labels else ''
    _logger.info('--data %s: tested on %s%s', folder, place, listed)
    name = Path(folder).resolve().name
    if place == Path(folder) and (provenance or '').endswith(f'{FINE_TUNED}{name}'):
        cfg.data_caution = (  # for the report
            f'the weights were fine-tuned on a folder of this name, {name!r}; if it is the same, '
            'the accuracy is too high'
        )
        _logger.warning('--data %s: %s', folder, cfg.data_caution)
    pipeline = list(get_test_dataset(cfg).pipeline)
    if is_red_first(pipeline):
        gray = (cfg.model.get('backbone') or {}).get('in_channels') == 1
        reading = dict(type='LoadImage', color_type='grayscale' if gray else 'color')
        pipeline = [reading, dict(type='ReverseChannels'), *pipeline]
    cfg.data_folder = folder  # the name of the data in messages
    is_json = str(labels).endswith('.json')
    cfg.test_dataloader.dataset = dict(
        type='mmpretrain.BaseDataset' if is_json else 'CustomDataset',
        data_root='',
        data_prefix=str(place),
        ann_file=str(labels or ''),
        pipeline=pipeline,
    )
    number = num_classes or head.get('num_classes') or 1
    cfg.test_evaluator = [dict(type='Accuracy', topk=choose_topk(number)), *REPORT_METRICS]
