"""Write what a network predicts of each picture."""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmpretrain.registry import METRICS

from wrn.utils.files import format_csv, write_atomically

SUFFIXES = ('.pkl', '.pickle', '.json', '.csv')


@METRICS.register_module()
class PredictionWriter(BaseMetric):
    """Write the predictions of a test, in the order of the data set.

    A pickle has what mmengine's ``DumpResults`` writes: of each picture a dict with ``gt_label``,
    ``pred_label``, ``pred_score`` (of every class) and what the pipeline packs, such as
    ``img_path``. JSON and CSV have a row for each: ``sample_idx``, ``img_path`` where the data set
    has one, ``gt_label``, ``gt_class``, ``pred_label``, ``pred_class`` and the ``pred_score`` of
    that class.

    Args:
        out: The file to write, whose suffix is one of ``SUFFIXES``.
        collect_device: ``'cpu'`` or ``'gpu'``, by which processes collect what each has. Defaults
            to ``'cpu'``.
    """

    default_prefix = 'predictions'

    def __init__(self, out: str, collect_device: str = 'cpu') -> None:
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
        suffix = Path(self.out).suffix
        with write_atomically(self.out) as file:
            if suffix == '.json':
                text = json.dumps(self._rows(results), indent=1, ensure_ascii=False) + '\n'
                file.write(text.encode())
            elif suffix == '.csv':
                rows = self._rows(results)
                file.write(format_csv([rows[0], *(row.values() for row in rows)]))
            else:
                pickle.dump(results, file)
        return {}

    def _rows(self, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        classes = (self.dataset_meta or {}).get('classes')
        rows = []
        for sample in samples:
            keys = ('sample_idx', 'img_path')
            row: dict[str, Any] = {key: sample[key] for key in keys if key in sample}
            for name in ('gt', 'pred'):
                row[f'{name}_label'] = label = int(sample[f'{name}_label'])
                if classes:
                    row[f'{name}_class'] = classes[label]
            row['pred_score'] = float(sample['pred_score'][row['pred_label']])
            rows.append(row)
        return rows
