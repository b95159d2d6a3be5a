"""Write the prediction for each image of a test."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmpretrain.registry import METRICS

from wrn.results import writers
from wrn.results.record import Record, describe
from wrn.utils.existing import check_free
from wrn.utils.files import write_atomically

_LABELS = ('gt_label', 'pred_label')
SUFFIXES = ('.pkl', '.pickle', *writers.SUFFIXES)


@METRICS.register_module()
class PredictionWriter(BaseMetric):
    """Write the predictions of a test, in the order of the dataset.

    A pickle has the content of mmengine's ``DumpResults``: for each image a dict with
    ``gt_label``, ``pred_label``, ``pred_score`` (of every class) and the metadata that the pipeline
    packs, such as ``img_path``. The other formats are those of ``wrn predict``: the best class of
    each image, with the additional columns ``sample_idx``, ``gt_label`` and ``gt_class``. Where
    images have any number of labels, these are lists: ``gt_labels``, ``pred_labels`` and so on.

    Args:
        out: The file to write. Its suffix must be one of ``SUFFIXES``.
        collect_device: The device on which processes collect their results, ``'cpu'`` or
            ``'gpu'``. Defaults to ``'cpu'``.
        overwrite: Whether to replace a file that exists. Defaults to True, since each validation
            of a training run writes the file anew.

    Raises:
        WrnError: If the suffix is ``.parquet`` and pyarrow is not installed.
    """

    default_prefix = 'predictions'

    def __init__(self, out: str, collect_device: str = 'cpu', overwrite: bool = True) -> None:
        writers.check_parquet(out)
        super().__init__(collect_device)
        self.out = out
        self.overwrite = overwrite

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Store the prediction and the label of each image.

        Args:
            data_batch: Not used.
            data_samples: The samples, with predictions and labels.
        """
        for sample in data_samples:
            # Each tensor is a view of its batch. Pickling a view would write the whole batch.
            self.results.append(
                {k: v.cpu().clone() if torch.is_tensor(v) else v for k, v in sample.items()}
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Write the file.

        Args:
            results: The samples that :meth:`process` stored in all processes.

        Returns:
            An empty dict.

        Raises:
            WrnError: If the file cannot be written, or must not be replaced.
        """
        if not self.overwrite:
            check_free(self.out)
        if Path(self.out).suffix in writers.SUFFIXES:
            multi_label = any(
                torch.is_tensor(sample.get(key)) and sample[key].numel() != 1
                for sample in results
                for key in _LABELS
            )
            records = (self._describe(sample, multi_label) for sample in results)
            writers.write_predictions(self.out, records, 1, truth=True, multi_label=multi_label)
        else:
            with write_atomically(self.out) as file:
                pickle.dump(results, file)
        return {}

    def _describe(self, sample: dict[str, Any], multi_label: bool) -> Record:
        classes = (self.dataset_meta or {}).get('classes')
        record = Record()
        if 'sample_idx' in sample:
            record['sample_idx'] = sample['sample_idx']
        if 'img_path' in sample:
            record['img_path'] = sample['img_path']
        if 'gt_label' in sample:
            if multi_label:
                record['gt_labels'] = labels = sample['gt_label'].tolist()
                if classes:
                    record['gt_classes'] = [classes[label] for label in labels]
            else:
                record['gt_label'] = int(sample['gt_label'])
                if classes:
                    record['gt_class'] = classes[record['gt_label']]
        passing = sample['pred_label'] if multi_label else None
        return record | describe(sample['pred_score'], passing, classes, topk=1)
