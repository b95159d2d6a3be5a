"""Write what a network predicts for each image of a test."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmpretrain.registry import METRICS

from wrn.results import writers
from wrn.results.record import Record, best_classes
from wrn.results.writers import check_parquet, write_predictions
from wrn.utils.files import write_atomically

SUFFIXES = ('.pkl', '.pickle', *writers.SUFFIXES)


@METRICS.register_module()
class PredictionWriter(BaseMetric):
    """Write the predictions of a test, in the order of the dataset.

    A pickle has what mmengine's ``DumpResults`` writes: for each image a dict with ``gt_label``,
    ``pred_label``, ``pred_score`` (of every class) and what the pipeline packs, such as
    ``img_path``. The other formats are those of ``wrn predict``, with the best class of each image
    and in addition its ``sample_idx``, ``gt_label`` and ``gt_class``.

    Args:
        out: The file to write, whose suffix is one of ``SUFFIXES``.
        collect_device: ``'cpu'`` or ``'gpu'``, by which processes collect what each has. Defaults
            to ``'cpu'``.

    Raises:
        WrnError: If the file is to be Parquet and pyarrow is missing.
    """

    default_prefix = 'predictions'

    def __init__(self, out: str, collect_device: str = 'cpu') -> None:
        check_parquet(out)
        super().__init__(collect_device)
        self.out = out

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep what is known of each picture.

        Args:
            data_batch: Not used.
            data_samples: What the network predicts of it, and its label.
        """
        for sample in data_samples:
            # Scores are a view of the batch's, all of which would be pickled with each picture.
            self.results.append(
                {k: v.cpu().clone() if torch.is_tensor(v) else v for k, v in sample.items()}
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Write the file.

        Args:
            results: What :meth:`process` kept, of all processes.

        Returns:
            No metrics.

        Raises:
            WrnError: If the file cannot be written.
        """
        if Path(self.out).suffix in writers.SUFFIXES:
            write_predictions(self.out, map(self._describe, results), topk=1, truth=True)
        else:
            with write_atomically(self.out) as file:
                pickle.dump(results, file)
        return {}

    def _describe(self, sample: dict[str, Any]) -> Record:
        classes = (self.dataset_meta or {}).get('classes')
        record = Record()
        if 'sample_idx' in sample:
            record['sample_idx'] = sample['sample_idx']
        if 'img_path' in sample:
            record['img_path'] = sample['img_path']
        record['gt_label'] = int(sample['gt_label'])
        if classes:
            record['gt_class'] = classes[record['gt_label']]
        record['predictions'] = best_classes(sample['pred_score'], classes, topk=1)
        return record
