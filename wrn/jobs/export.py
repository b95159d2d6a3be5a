"""Export a model to a file: ``wrn.export``, and the command ``wrn export``."""

from collections.abc import Sequence
from os import PathLike

from typing_extensions import Unpack

from wrn import deploy
from wrn.data.images import ImageLike
from wrn.deploy.export import FORMATS, Exported
from wrn.download import stem_without_hash
from wrn.jobs.keywords import check_names
from wrn.jobs.loading import WeightsOptions, check_calibration, load_model, make_read_options
from wrn.jobs.outputs import check_out
from wrn_base.errors import check_choice


def export(
    model: str,
    format: str,
    out: str | PathLike[str] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    *,
    preprocess: bool = False,
    softmax: bool = False,
    precision: str = 'float32',
    calibration: ImageLike | Sequence[ImageLike] | None = None,
    overwrite: bool = False,
    **weights: Unpack[WeightsOptions],
) -> Exported:
    """Export a model to a file that other runtimes load without this package.

    Args:
        model: The name of a model, or the path of a config or weights.
        format: ``'onnx'``, ``'openvino'``, ``'torchscript'`` or ``'torch-export'``.
        out: The file to write. Defaults to None: the model name and the suffix of the format.
        checkpoint: The path or URL of weights. Defaults to None, the model's own.
        preprocess: Whether the file normalizes its inputs, which are then RGB images
            ``(N, H, W, 3)``, uint8. Defaults to False: normalized images ``(N, 3, H, W)``, float32.
        softmax: Whether the file returns probabilities. Defaults to False: logits.
        precision: The precision of the weights: ``'float32'`` (default), or for OpenVINO also
            ``'float16'`` and ``'int8'``.
        calibration: Images to calibrate ``'int8'`` with. Defaults to None.
        overwrite: Whether to replace a file that exists. Defaults to False.
        **weights: What to take from the file of weights, see
            :class:`wrn.jobs.loading.WeightsOptions`.

    Returns:
        The files that were written, their metadata, and their difference to the network.

    Raises:
        WrnError: If the model, an option or the file is wrong, its outputs differ, or it exists.
    """
    check_names(export, weights, WeightsOptions)
    check_choice('--format', format, FORMATS)
    check_calibration(calibration, precision)
    suffix = FORMATS[format].suffix
    if out:
        check_out(str(out), f'{format} is', (suffix,), overwrite)
    network = load_model(model, checkpoint, 'cpu', make_read_options(weights))
    entry = getattr(network, '_metainfo', None)
    name = entry.name if entry else stem_without_hash(model)
    out = str(out or f'{name}{suffix}')
    check_out(out, overwrite=overwrite)
    options = (preprocess, softmax, precision, calibration, overwrite)
    return deploy.export.export(network, name, format, out, *options)
