"""What an exported file computes, and what it must compute."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from wrn.data.images import ImageLike, Preprocessing, preprocess_sample
from wrn.deploy.engines.graph import TensorsOnly
from wrn.deploy.engines.quantization import hold_out
from wrn.deploy.export.format import Run
from wrn.deploy.export.metadata import Metadata, is_blue_first, to_rgb
from wrn.models.folding import fold_batch_norm


class Exportable(nn.Module):
    """What a file computes: one tensor of one tensor.

    Args:
        network: The classifier.
        metadata: What the file says of its input and output.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: BaseModel, metadata: Metadata) -> None:
        super().__init__()
        self.network = TensorsOnly(fold_batch_norm(network))
        self.preprocess = metadata.preprocess
        self.softmax = metadata.softmax
        self.blue_first = is_blue_first(network)
        for name in ('mean', 'std') if metadata.preprocess else ():
            self.register_buffer(name, torch.tensor(getattr(metadata, name)).view(3, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the scores, or probabilities.

        Args:
            inputs: Pictures, as the metadata says.

        Returns:
            ``(N, num_classes)``.
        """
        if self.preprocess:
            inputs = (inputs.permute(0, 3, 1, 2) - self.mean) / self.std
            inputs = inputs.flip(1) if self.blue_first else inputs
        (scores,) = self.network(inputs)
        return scores.softmax(1) if self.softmax else scores


class Reference:
    """What a file must compute of pictures, ``(N, H, W, 3)``, uint8, red, green, blue.

    Args:
        network: The classifier.
        metadata: What the file says of its input and output.
    """

    def __init__(self, network: BaseModel, metadata: Metadata) -> None:
        self._network = network
        self._metadata = metadata

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Compute the scores, or logarithms of probabilities."""
        scores = self._network(self._normalize(pixels), mode='tensor')
        return (self._unsaturate(scores.softmax(1) if self._metadata.softmax else scores),)

    def make_inputs(self, pixels: Tensor) -> Tensor:
        """Make the file's input of pictures."""
        return pixels if self._metadata.preprocess else self._normalize(pixels)

    def run_file(self, run: Run) -> Run:
        """Make a function that runs a file in batches of one, three, and all that are left."""

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

    def read_calibration(self, calibration: ImageLike | Sequence[ImageLike]) -> tuple[Tensor, Any]:
        """Read pictures; return those to compare with, and single ones to calibrate with."""
        pictures = preprocess_sample(calibration, Preprocessing(self._network._config))
        pixels = torch.from_numpy(np.stack(pictures))
        return hold_out(to_rgb(pixels, self._metadata.pipeline))

    def _normalize(self, pixels: Tensor) -> Tensor:
        pixels = to_rgb(pixels, self._metadata.pipeline).permute(0, 3, 1, 2)
        return self._network.data_preprocessor(dict(inputs=pixels))['inputs']
