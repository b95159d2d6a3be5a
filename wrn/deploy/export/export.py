"""Export a classifier, and check what was written before it gets its name."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.model import BaseModel
from torch import Tensor

from wrn.data.images import ImageLike
from wrn.deploy.engines import Difference
from wrn.deploy.engines.verify import check, compare, find_tolerance
from wrn.deploy.export.exported_network import Exportable, Reference
from wrn.deploy.export.format import Content
from wrn.deploy.export.formats import FORMATS
from wrn.deploy.export.metadata import ExportError, Metadata, describe_model
from wrn.utils.errors import WrnError
from wrn.utils.files import sync_folder


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        paths: The file, or files.
        metadata: What it says of itself.
        difference: What sets its outputs apart from the network's.
    """

    paths: list[Path]
    metadata: Metadata
    difference: Difference


def export(
    network: BaseModel,
    name: str,
    format: str,
    out: str | Path,
    preprocess: bool = False,
    softmax: bool = False,
    precision: str = 'float32',
    calibration: ImageLike | Sequence[ImageLike] | None = None,
) -> Exported:
    """Export a classifier for any number of pictures at a time.

    Args:
        network: The classifier, on the CPU and in eval mode; it must know its config, as those of
            :func:`wrn.get_model` do.
        name: What the file is to call the model.
        format: One of :data:`FORMATS`.
        out: The file to write, with the suffix of the format. One that is there is replaced, once
            the new one has been loaded in its runtime and computes what the network does.
        preprocess: Whether the input is uint8 pictures ``(N, H, W, 3)``, red, green, blue, and the
            normalisation is inside. Defaults to False: normalised pictures ``(N, 3, H, W)``.
        softmax: Whether the output is probabilities. Defaults to False: scores.
        precision: What to store weights in: ``'float32'``, and for OpenVINO ``'float16'`` or
            ``'int8'``, which computes in it, too. Defaults to ``'float32'``.
        calibration: Pictures to calibrate ``'int8'`` with. Defaults to None.

    Returns:
        What was written.

    Raises:
        WrnError: If the format or precision cannot be had, the network not be exported, the file
            not be written, or it computes something else.
    """
    kind = FORMATS[format]
    if precision not in kind.precisions:
        able = [name for name, other in FORMATS.items() if precision in other.precisions]
        raise ExportError(f'--precision {precision}: is for --format {" and ".join(able)}')
    if lacking := kind.missing():
        raise ExportError(f'--format {format}: {lacking}')
    metadata = describe_model(network, name, preprocess, softmax, precision)
    reference = Reference(network, metadata)
    pixels = reference.make_noise()
    parts: Sequence[Tensor] = ()
    if precision == 'int8' and calibration is not None:
        pixels, parts = reference.read_calibration(calibration)
    content = Content(
        Exportable(network, metadata).eval(),
        reference.make_inputs(pixels[:2]),
        metadata.to_json(),
        precision,
        [reference.make_inputs(part) for part in parts],
    )
    target = Path(out).resolve()
    *others, _ = kind.files(target)
    if others and others[0].exists() and not target.exists():
        raise ExportError(
            f'{others[0]}: stands where the weights of {target.name} are to be; name another --out'
        )
    try:
        with tempfile.TemporaryDirectory(prefix='.wrn-', dir=target.parent) as folder:
            path = Path(folder, target.name)
            try:
                kind.write(content, path)
            except (WrnError, OSError):
                raise
            except Exception as error:  # neither exporters nor full disks have one of their own
                reason = ' '.join(str(error).split())[:300]
                raise ExportError(f'{out}: cannot be written ({reason})') from error
            difference = compare(reference.run_file(kind.load_written(path)), reference, pixels)
            tolerance = find_tolerance(precision, torch.device('cpu'))
            check(difference, f'--format {format}', precision, tolerance)
            for part in kind.files(path):
                with part.open('rb+') as file:
                    os.fsync(file.fileno())
            for part, place in zip(kind.files(path), kind.files(target), strict=True):
                part.replace(place)
            sync_folder(target.parent)
    except OSError as error:
        raise WrnError(f'{out}: cannot be written ({error.strerror or error})') from error
    return Exported(kind.files(Path(out)), metadata, difference)
