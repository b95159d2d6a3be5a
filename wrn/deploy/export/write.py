"""Export a classifier to a file, and verify the file before it replaces an old one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.model import BaseModel
from torch import Tensor

from wrn.config.config_errors import config_errors
from wrn.data.images import ImageLike
from wrn.deploy.classifier import get_own_config
from wrn.deploy.engines import Difference
from wrn.deploy.engines.verify import check, compare, find_tolerance
from wrn.deploy.export.exportable import Exportable, Reference
from wrn.deploy.export.formats import FORMATS
from wrn.deploy.export.formats.export_format import Content
from wrn.deploy.export.metadata import ExportError, Metadata, describe_model
from wrn.utils.existing import check_free
from wrn.utils.files import check_regular, make_parent, replace_together, sync_folder
from wrn.utils.packages import missing_packages
from wrn.utils.scratch import scratch_folder
from wrn_base.errors import WrnError, one_line


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        paths: The file, or all files of the format.
        metadata: Its metadata.
        difference: The difference between its outputs and the network's.
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
    overwrite: bool = False,
) -> Exported:
    """Export a classifier for any batch size.

    Args:
        network: The classifier, on the CPU and in eval mode. It must have its config, as models
            from :func:`wrn.get_model` do.
        name: The name of the model, for the metadata.
        format: One of :data:`FORMATS`.
        out: The file to write, with the suffix of the format. Its folder is made if it does not
            exist.
        preprocess: Whether the file normalizes its inputs, which are then RGB images
            ``(N, H, W, 3)``, uint8. Defaults to False: normalized images ``(N, 3, H, W)``, float32.
        softmax: Whether the file returns probabilities. Defaults to False: logits.
        precision: The precision of the weights: ``'float32'``, or for OpenVINO also ``'float16'``
            and ``'int8'``. With ``'int8'`` the file also computes in int8. Defaults to
            ``'float32'``.
        calibration: Images for calibrating ``'int8'``. Defaults to None.
        overwrite: Whether to replace a file that exists, once the new one has been loaded in its
            runtime and computes the same as the network. Defaults to False.

    Returns:
        The file that was written.

    Raises:
        WrnError: If the format or precision is unavailable, the network cannot be exported, the
            file cannot be written or exists, or its outputs differ from the network's.
    """
    kind = FORMATS[format]
    target = Path(out).resolve()
    _check_replaceable(kind.files(Path(out)), overwrite)
    if precision not in kind.precisions:
        able = [name for name, other in FORMATS.items() if precision in other.precisions]
        raise ExportError(f'--precision {precision}: needs --format {" or ".join(able)}')
    if missing := missing_packages(*kind.requires):
        raise ExportError(f'--format {format}: {missing}')
    metadata = describe_model(network, name, preprocess, softmax, precision)
    reference = Reference(network, metadata)
    pixels = reference.make_noise()
    batches: Sequence[Tensor] = ()
    if precision == 'int8' and calibration is not None:
        pixels, batches = reference.read_calibration(calibration)
    content = Content(
        Exportable(network, metadata).eval(),
        reference.make_inputs(pixels[:2]),
        metadata.to_json(),
        precision,
        [reference.make_inputs(batch) for batch in batches],
    )
    with torch.no_grad(), config_errors(get_own_config(network).filename):
        content.network(content.example)  # an exporter would print a traceback
    try:
        make_parent(target)
        with scratch_folder(target.parent) as folder:
            path = folder / target.name
            kind.write(content, path)
            difference = compare(reference.run_file(kind.load_written(path)), reference, pixels)
            tolerance = find_tolerance(precision, torch.device('cpu'))
            check(difference, f'--format {format}', precision, tolerance)
            for written in kind.files(path):
                with written.open('rb+') as file:
                    os.fsync(file.fileno())
            _check_replaceable(kind.files(Path(out)), overwrite)
            replace_together(kind.files(path), kind.files(target))
            sync_folder(target.parent)
    except WrnError:
        raise
    except Exception as error:  # exporters raise various types, also for a full disk
        raise ExportError(
            f'{out}: cannot be written ({one_line(error)}); free space, or choose another path'
        ) from error
    return Exported(kind.files(Path(out)), metadata, difference)


def _check_replaceable(files: Sequence[Path], overwrite: bool) -> None:
    for file in files:
        try:
            check_regular(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ExportError(
                f'{file}: cannot be replaced ({one_line(error)}); choose another path'
            ) from error
        check_free(file, overwrite)
