"""The figures of a model card, from the report of a test of the same weights."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wrn.training.evaluation import ACCURACY, BALANCED, REPORT_FILES, Proportion
from wrn.utils.files import check_regular, explain
from wrn_base.errors import WrnError
from wrn_base.percent import format_percent

(REPORT,) = (name for name in REPORT_FILES if name.endswith('.json'))
_MAX_BYTES = 1 << 27
_HASHES = ('SHA-256 of tensors', 'SHA-256 of the file')
_OTHERS = {  # metrics in percent without a count of images
    BALANCED: 'balanced accuracy',
    'calibration/ece': 'expected calibration error',
    'multi-label/mAP': 'mean average precision',
    'multi-label/f1-score': 'F1',
}
# What values of another shape than those of a report raise.
_OTHER_SHAPE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
_KNOWN_METRICS = {'multi-label/f1-score': ('f1', 'F1')}  # by their name on the hub


@dataclass(frozen=True)
class Figures:
    """What a report says of a model.

    Attributes:
        folder: The folder of the report.
        rows: The names and the values, as text.
        results: The type on the hub, the name, and the value from 0 to 1 of each result for its
            leaderboards.
        images: The number of images of the test. None for a multi-label test, which does not say.
        backend: What computed the predictions, and in which precision.
        preprocessing: How the images of the test were prepared.
        cautions: What limits the figures.
        hashes: The SHA-256 of the tensors or of the file that was tested.
    """

    folder: Path
    rows: list[tuple[str, str]]
    results: list[tuple[str, str, float]]
    images: int | None
    backend: str
    preprocessing: str
    cautions: list[str]
    hashes: set[str]

    def check_weights(self, hashes: Iterable[str]) -> None:
        """Check that the figures are those of certain weights.

        Args:
            hashes: The SHA-256 of the tensors and of the file of the weights.

        Raises:
            WrnError: If they are of others.
        """
        if self.hashes.isdisjoint(hashes):
            raise WrnError(
                f'--report {self.folder}: is of other weights (their SHA-256 differs); test these '
                'with `wrn test FILE --report FOLDER`'
            )


def read_figures(folder: str | Path) -> Figures:
    """Read the figures of a report.

    Args:
        folder: The folder that ``wrn test --report`` or ``wrn finetune`` has written.

    Raises:
        WrnError: If there is no report.
    """
    folder = Path(folder)
    path = folder / REPORT
    try:
        check_regular(path, _MAX_BYTES)
        content = json.loads(path.read_bytes())
        facts, metrics, cautions = (content[key] for key in ('facts', 'metrics', 'cautions'))
        hashes = {str(facts[name]) for name in _HASHES if name in facts}
        rows, results, images = _list_metrics(metrics)
        texts = str(facts['backend']), str(facts['preprocessing']), [*map(str, cautions)]
    except OSError as error:
        raise WrnError(
            f'--report {folder}: {REPORT} in it {explain(error)}; give the folder that `wrn test '
            '--report` or `wrn finetune` wrote'
        ) from error
    except _OTHER_SHAPE as error:
        raise WrnError(
            f'{path}: is not the report of a test; write it again with `wrn test --report`'
        ) from error
    return Figures(folder, rows, results, images, *texts, hashes)


def _list_metrics(
    metrics: dict[str, Any],
) -> tuple[list[tuple[str, str]], list[tuple[str, str, float]], int | None]:
    rows, results, images, decimals = list[tuple[str, str]](), [], None, 1
    if ACCURACY in metrics:
        images = int(metrics['images'])
        for k in (1, 5):
            if (percent := metrics.get(f'accuracy/top{k}')) is None:
                continue
            share = Proportion(round(float(percent) * images / 100), images)
            rows.append((f'top-{k} accuracy', str(share)))
            results.append(('accuracy', f'top-{k} accuracy', share.percent / 100))
            decimals = share.decimals
    for key, name in _OTHERS.items():
        if isinstance(value := metrics.get(key), int | float) and math.isfinite(value):
            rows.append((name, format_percent(value, decimals)))
            if key in _KNOWN_METRICS:
                results.append((*_KNOWN_METRICS[key], value / 100))
    if not rows:
        raise ValueError('no figure that a card has')
    return rows, results, images
