"""Compare published weights with their published figures: ``wrn.verify``, ``wrn verify``."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from wrn.checkpoints.checkpoint_file import locate
from wrn.config.config_parts import get_dataset_type, get_test_dataset
from wrn.data.imagenet_classes import check_class_folders
from wrn.download import hash_in_name
from wrn.jobs.test import Tested, test
from wrn.training.evaluation import Proportion
from wrn.utils.files import hash_file
from wrn.zoo.resolve import ResolvedModel, resolve
from wrn_base import model_index
from wrn_base.commands.verify import TOLERANCE
from wrn_base.errors import WrnError
from wrn_base.run_progress import SILENT, RunProgress

_FIGURES = {  # their names in the model index, and among the metrics of a test
    'top-1 accuracy': ('Top 1 Accuracy', 'accuracy/top1'),
    'top-5 accuracy': ('Top 5 Accuracy', 'accuracy/top5'),
}
_IMAGES = {'ImageNet-1k': 50_000, 'scikit-learn digits': 355}  # that the figures are of
_ROUNDING = 0.005  # points: most figures are published with two decimals


@dataclass(frozen=True)
class Figure:
    """A published figure, and what a test found.

    Attributes:
        name: Such as ``'top-1 accuracy'``.
        expected: The published figure, in percent.
        found: The share of images that the test found.
        agrees: Whether both are the same within the tolerance.
    """

    name: str
    expected: float
    found: Proportion
    agrees: bool


@dataclass(frozen=True)
class Verified:
    """Published weights, compared with their published figures.

    Attributes:
        model: The name of the model.
        path: The file of its weights.
        sha256: The SHA-256 of the file.
        hash_digits: How many of its digits were compared with a published hash. 0 if none is known,
            as for a file of the Hugging Face hub, which was compared with the hub's when it came.
        dataset: The dataset of the figures.
        figures: The figures.
        complete: Whether the test had as many images as that of the published figures. If not, a
            figure agrees if it is in the 95 % interval.
        tolerance: The tolerance in percentage points.
    """

    model: str
    path: Path
    sha256: str
    hash_digits: int
    dataset: str
    figures: list[Figure]
    complete: bool
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether all figures agree."""
        return all(figure.agrees for figure in self.figures)


def verify(
    model: str,
    *,
    data: str | None = None,
    tolerance: float = TOLERANCE,
    batch_size: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    work_dir: str | None = None,
    progress: RunProgress = SILENT,
) -> Verified:
    """Test published weights, and compare the accuracy with the published figures.

    Args:
        model: The name of a model with weights.
        data: The folder that contains ImageNet's ``val``. Defaults to None: that of the config.
        tolerance: The largest difference, in percentage points. Defaults to 0.1: the libraries that
            publish the same weights differ by up to 0.03.
        batch_size: The images per step. Defaults to that of the config.
        device: The device. Defaults to the accelerator, else the CPU.
        workers: The number of processes that load images. Defaults to that of the config.
        work_dir: The folder of the test's log. Defaults to that of :func:`wrn.test`.
        progress: Receives the steps. Defaults to nobody.

    Returns:
        The figures, found and expected.

    Raises:
        WrnError: If the name has no published figures, the weights are unavailable or not those
            that were published, or the data is missing.
    """
    if not (isinstance(tolerance, Real) and 0 <= tolerance < math.inf):
        raise WrnError(f'--tolerance {tolerance!r}: must be a number of points, at least 0')
    resolved = resolve(model)
    dataset, expected = _find_figures(resolved)
    settings = _choose_data(resolved, data)
    done = test(
        resolved.name,
        batch_size=batch_size,
        device=device,
        workers=workers,
        work_dir=work_dir,
        progress=progress,
        cfg_options=settings,
    )
    path, _ = locate(f'{model_index.SCHEME}{resolved.name}')  # compares the hash
    digest = hash_file(path)
    known = model_index.sha256_of(path.name) or hash_in_name(path.name) or ''
    figures = list(_compare(done, expected, _IMAGES.get(dataset), tolerance))
    complete = figures[0].found.total == _IMAGES.get(dataset)
    return Verified(resolved.name, path, digest, len(known), dataset, figures, complete, tolerance)


def _find_figures(resolved: ResolvedModel) -> tuple[str, dict[str, float]]:
    """Return the dataset and the published figures of a model, by their names here."""
    entry = resolved.entry
    if resolved.kind == 'name' and entry and not resolved.is_upstream and entry.weights:
        for result in entry.results:
            metrics = result.metrics or {}
            figures = {name: metrics[key] for name, (key, _) in _FIGURES.items() if key in metrics}
            if figures:
                return result.dataset, figures
    names = [entry.name for entry in model_index.models().values() if entry.weights]
    raise WrnError(
        f'{resolved.name}: has no published weights with figures; give one of {", ".join(names)}'
    )


def _choose_data(resolved: ResolvedModel, data: str | None) -> dict[str, str]:
    """Check the data before weights are downloaded, and return the settings that choose it."""
    config = resolved.get_config()
    if get_dataset_type(config) != 'ImageNet':
        if data is not None:
            raise WrnError(
                f'--data {data}: only for models on ImageNet; leave it out, since the images of '
                f'{resolved.name} are known'
            )
        return {}
    dataset = get_test_dataset(config)
    folder = Path(data or dataset.data_root)
    check_class_folders(folder, dataset.split)
    return {'test_dataloader.dataset.data_root': str(folder)}


def _compare(
    done: Tested, expected: dict[str, float], images: int | None, tolerance: float
) -> Iterator[Figure]:
    assert done.report is not None  # since these models predict one class per image
    assert done.report.accuracy is not None
    total = done.report.accuracy.total
    for name, figure in expected.items():
        percent = done.metrics[_FIGURES[name][1]]
        assert isinstance(percent, float)
        found = Proportion(round(percent * total / 100), total)
        low, high = (found.percent, found.percent) if total == images else found.interval
        margin = tolerance + _ROUNDING
        yield Figure(name, figure, found, low - margin <= figure <= high + margin)
