"""Use an exported file as a model again."""

from os import PathLike
from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from torch import Tensor

from wrn.deploy.classifier import DeployedClassifier
from wrn.deploy.export.format import ReadableFormat, Run
from wrn.deploy.export.formats import FORMATS
from wrn.deploy.export.metadata import ExportError, Metadata, read_metadata
from wrn.utils.errors import WrnError

_FORMATS = {kind.suffix: kind for kind in FORMATS.values()}


def is_exported(model: object) -> bool:
    """Tell whether what stands for a model is the name of an exported file."""
    return isinstance(model, str | PathLike) and Path(model).suffix in _FORMATS


def load_exported(
    path: str | PathLike, device: str | torch.device | None = None
) -> DeployedClassifier:
    """Make a classifier of an exported file, whose runtime runs it.

    Args:
        path: The file.
        device: Where to run. Defaults to None, the CPU.

    Returns:
        The classifier; its config, and the names of its classes, are those in the file.

    Raises:
        WrnError: If the file is missing, damaged, none of ours, or asks for more than to compute.
    """
    path, where = Path(path), torch.device(device or 'cpu')
    return make_classifier(*load_network(path, where), path).to(where)


def make_classifier(run: Run, metadata: Metadata, path: Path) -> DeployedClassifier:
    """Make a classifier of a network that is a function.

    Args:
        run: The network.
        metadata: What its file says of itself.
        path: The file, for messages.

    Returns:
        The classifier, on the CPU.
    """
    config = metadata.to_config(str(path))

    def run_inputs(inputs: Tensor) -> tuple[Tensor, ...]:
        if [*inputs.shape[2:]] != metadata.size:
            raise ExportError(
                f'{path}: takes pictures of {"x".join(map(str, metadata.size))} pixels (height, '
                f'width), not {"x".join(map(str, inputs.shape[2:]))}; let the test pipeline of the '
                'config crop them, and export the model again'
            )
        if metadata.preprocess:  # whole numbers, which the preprocessor has made float
            inputs = inputs.to(torch.uint8).permute(0, 2, 3, 1)
        return run(inputs)

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        preprocessor = MODELS.build(config.data_preprocessor)
    model = DeployedClassifier(run_inputs, preprocessor, metadata.num_classes, metadata.softmax)
    model.own_threads = getattr(run, 'own_threads', False)
    model.metadata = metadata
    model._config = config
    model._metainfo = None
    model._dataset_meta = dict(classes=metadata.classes) if metadata.classes else {}
    return model.eval()


def load_network(path: Path, device: torch.device) -> tuple[Run, Metadata]:
    """Load an exported file, and try it.

    Args:
        path: The file.
        device: Where to run.

    Returns:
        The network as a function, and what the file says of itself.

    Raises:
        WrnError: As :func:`load_exported` does.
    """
    if not path.is_file():
        raise ExportError(f'{path}: there is no such file')
    kind = _FORMATS[path.suffix]
    if not isinstance(kind, ReadableFormat):
        readable = [suffix for suffix, k in _FORMATS.items() if isinstance(k, ReadableFormat)]
        raise ExportError(
            f"{path}: {kind.name} files are for torch's own loader, which runs what they say; give "
            f'one of the suffix {" or ".join(readable)}, or the model that it was made of'
        )
    try:
        run, text = kind.load(path, device)
    except WrnError:
        raise
    except Exception as error:  # of whatever may be wrong in a file that anybody wrote
        reason = getattr(error, 'strerror', None) or ' '.join(str(error).split())[:200]
        raise ExportError(f'{path}: cannot be read ({reason or error!r})') from error
    metadata = read_metadata(text, str(path))
    shape = (1, *metadata.size, 3) if metadata.preprocess else (1, 3, *metadata.size)
    try:
        (output,) = run(torch.zeros(shape, dtype=getattr(torch, metadata.dtype), device=device))
        fits = output.shape == (1, metadata.num_classes)
        reason = f'its output is {tuple(output.shape)}'
    except Exception as error:  # each runtime has its own
        fits, reason = False, ' '.join(str(error).split())[:200]
    if not fits:
        raise ExportError(f'{path}: is not the network that its metadata says ({reason})')
    return run, metadata
