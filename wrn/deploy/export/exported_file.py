"""Load an exported file as a model."""

from os import PathLike
from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from torch import Tensor

from wrn.deploy.classifier import DeployedClassifier
from wrn.deploy.engines.engine import Forward
from wrn.deploy.export.formats import FORMATS
from wrn.deploy.export.formats.export_format import ReadableFormat
from wrn.deploy.export.metadata import ExportError, Metadata, read_metadata
from wrn.utils.files import check_regular, explain
from wrn_base.errors import WrnError, one_line

_FORMATS = {kind.suffix: kind for kind in FORMATS.values()}


def is_exported(name: str) -> bool:
    """Return whether a path or name has the suffix of exported files."""
    return Path(name).suffix in _FORMATS


def load_exported(
    path: str | PathLike[str], device: str | torch.device | None = None
) -> DeployedClassifier:
    """Load an exported file as a classifier that runs in the file's runtime.

    Args:
        path: The file.
        device: The device to run on. Defaults to None, the CPU.

    Returns:
        The classifier. Its config and class names are those of the file.

    Raises:
        WrnError: If the file is missing, damaged or not written by this package, or could do more
            than compute.
    """
    path, where = Path(path), torch.device(device or 'cpu')
    return make_classifier(*load_network(path, where), path).to(where)


def make_classifier(forward: Forward, metadata: Metadata, path: Path) -> DeployedClassifier:
    """Make a classifier from the network of a file.

    Args:
        forward: The network as a function.
        metadata: The metadata of the file.
        path: The file, for messages.

    Returns:
        The classifier, on the CPU.
    """
    config = metadata.to_config(str(path))

    def run(inputs: Tensor) -> tuple[Tensor, ...]:
        if [*inputs.shape[2:]] != metadata.size:
            raise ExportError(
                f'{path}: takes images of {"x".join(map(str, metadata.size))} pixels (height x '
                f'width), not {"x".join(map(str, inputs.shape[2:]))}; crop or resize them in the '
                'test pipeline of the config, and export the model again'
            )
        if metadata.preprocess:  # the data preprocessor has made the integers float
            inputs = inputs.to(torch.uint8).permute(0, 2, 3, 1)
        return forward(inputs)

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        preprocessor = MODELS.build(config.data_preprocessor)
    model = DeployedClassifier(run, preprocessor, metadata.num_classes, metadata.softmax)
    model.own_threads = getattr(forward, 'own_threads', False)
    model.metadata = metadata
    model.runtime = getattr(forward, 'name', None)
    model._config = config
    model._metainfo = None
    model._dataset_meta = dict(classes=metadata.classes) if metadata.classes else {}
    return model.eval()


def load_network(path: Path, device: torch.device) -> tuple[Forward, Metadata]:
    """Load the network of an exported file, and check that it runs.

    Args:
        path: The file.
        device: The device to run on.

    Returns:
        The network as a function, and the metadata of the file.

    Raises:
        WrnError: As for :func:`load_exported`.
    """
    try:
        check_regular(path)
    except OSError as error:
        raise ExportError(
            f'{path}: the file {explain(error)}; give the path of an exported file'
        ) from error
    kind = _FORMATS[path.suffix]
    if not isinstance(kind, ReadableFormat):
        readable = [suffix for suffix, k in _FORMATS.items() if isinstance(k, ReadableFormat)]
        raise ExportError(
            f"{path}: {kind.name} files are for torch's own loader, which runs code from them; "
            f'give a {" or ".join(readable)} file, or the model that it was exported from'
        )
    try:
        forward, text = kind.load(path, device)
    except WrnError:
        raise
    except Exception as error:  # an untrusted file can break a runtime in any way
        raise ExportError(f'{path}: cannot be read ({one_line(error)}); copy it again') from error
    metadata = read_metadata(text, str(path))
    shape = (1, *metadata.size, 3) if metadata.preprocess else (1, 3, *metadata.size)
    try:
        (output,) = forward(torch.zeros(shape, dtype=getattr(torch, metadata.dtype), device=device))
        matches = output.shape == (1, metadata.num_classes)
        reason = f'its output is {tuple(output.shape)}'
        if matches and _is_softmax(output) != metadata.softmax:
            matches, reason = False, f'softmax is {metadata.softmax} there'
    except Exception as error:  # the runtimes' errors have no common base class
        matches, reason = False, one_line(error)
    if not matches:
        raise ExportError(
            f'{path}: the network does not match the metadata ({reason}); export the model again'
        )
    return forward, metadata


def _is_softmax(output: Tensor) -> bool:
    return bool((output >= 0).all() and abs(output.sum() - 1) < 1e-3)
