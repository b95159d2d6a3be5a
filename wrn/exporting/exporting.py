"""Export a classifier, and check what was written before it gets its name."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from wrn.engines import Difference
from wrn.engines.checking import check, compare
from wrn.engines.quantizing import hold_out
from wrn.engines.source import TensorsOnly
from wrn.errors import WrnError
from wrn.exporting.format import Run, companions
from wrn.exporting.formats import FORMATS
from wrn.exporting.loading import load_network
from wrn.exporting.metadata import (
    ExportError,
    Metadata,
    describe_model,
    is_blue_first,
    to_rgb,
)
from wrn.files import sync_folder
from wrn.models.folding import fold_batch_norm
from wrn.pictures import Picture, Preparation, prepare_sample


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
    calibration: Picture | Sequence[Picture] | None = None,
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
    reference = _Reference(network, metadata)
    pixels = reference.make_noise()
    parts: Sequence[Tensor] = ()
    if precision == 'int8' and calibration is not None:
        pixels, parts = reference.read_pictures(calibration)
    target = Path(out).resolve()
    try:
        with tempfile.TemporaryDirectory(prefix='.wrn-', dir=target.parent) as folder:
            path = Path(folder, target.name)
            kind.write(
                _Exportable(network, metadata, is_blue_first(network)).eval(),
                reference.make_inputs(pixels[:2]),
                path,
                metadata.to_json(),
                precision,
                [reference.make_inputs(part) for part in parts],
            )
            runs = (kind.load_plainly(path), load_network(path, torch.device('cpu'))[0])
            for run in filter(None, runs):
                difference = compare(reference.run_file(run), reference, pixels)
                check(difference, f'--format {format}', precision)
            for part in companions(path):
                with part.open('rb+') as file:
                    os.fsync(file.fileno())
            for part, place in zip(companions(path), companions(target), strict=True):
                part.replace(place)
            sync_folder(target.parent)
    except (OSError, RuntimeError) as error:  # the latter as libraries say of a full disk
        reason = ' '.join(str(getattr(error, 'strerror', None) or error).split())[:300]
        raise WrnError(f'{out}: cannot be written ({reason})') from error
    return Exported(companions(Path(out)), metadata, difference)


class _Exportable(nn.Module):
    """What a file computes: one tensor of one tensor."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: BaseModel, metadata: Metadata, blue_first: bool) -> None:
        super().__init__()
        self.network = TensorsOnly(fold_batch_norm(network))
        self.preprocess = metadata.preprocess
        self.softmax = metadata.softmax
        self.blue_first = blue_first
        for name in ('mean', 'std') if metadata.preprocess else ():
            self.register_buffer(name, torch.tensor(getattr(metadata, name)).view(3, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.preprocess:
            inputs = (inputs.permute(0, 3, 1, 2) - self.mean) / self.std
            inputs = inputs.flip(1) if self.blue_first else inputs
        (scores,) = self.network(inputs)
        return scores.softmax(1) if self.softmax else scores


class _Reference:
    """What a file must compute of pictures, ``(N, H, W, 3)``, uint8, red, green, blue."""

    def __init__(self, network: BaseModel, metadata: Metadata) -> None:
        self._network = network
        self._metadata = metadata

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        scores = self._network(self._normalize(pixels), mode='tensor')
        return (self._unsaturate(scores.softmax(1) if self._metadata.softmax else scores),)

    def make_inputs(self, pixels: Tensor) -> Tensor:
        """Make the file's input of pictures."""
        return pixels if self._metadata.preprocess else self._normalize(pixels)

    def run_file(self, run: Run) -> Run:
        """Run a file in batches of one, three, and all that are left."""

        def run_batches(pixels: Tensor) -> tuple[Tensor, ...]:
            inputs = self.make_inputs(pixels)
            batches = [batch for batch in inputs.tensor_split([1, 4]) if len(batch)]
            return (self._unsaturate(torch.cat([run(batch)[0] for batch in batches])),)

        return run_batches

    def _unsaturate(self, outputs: Tensor) -> Tensor:
        """Turn probabilities into logarithms: those of noise are all near 0 and 1."""
        return outputs.clamp(min=1e-30).log() if self._metadata.softmax else outputs

    def make_noise(self) -> Tensor:
        """Make four pictures of noise, always the same."""
        generator = torch.Generator().manual_seed(0)
        shape = (4, *self._metadata.size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    def read_pictures(self, calibration: Picture | Sequence[Picture]) -> tuple[Tensor, Any]:
        """Read pictures; return those to compare with, and single ones to calibrate with."""
        pictures = prepare_sample(calibration, Preparation(self._network._config))
        pixels = torch.from_numpy(np.stack(pictures))
        return hold_out(to_rgb(pixels, self._metadata.pipeline))

    def _normalize(self, pixels: Tensor) -> Tensor:
        pixels = to_rgb(pixels, self._metadata.pipeline).permute(0, 3, 1, 2)
        return self._network.data_preprocessor(dict(inputs=pixels))['inputs']
