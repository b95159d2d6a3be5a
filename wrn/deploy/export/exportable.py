"""The network as an exported file computes it, and the reference that the file must match."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from wrn.data.images import ImageLike, Preprocessing, preprocess_sample
from wrn.deploy.engines.engine import Forward
from wrn.deploy.engines.graph import TensorsOnly
from wrn.deploy.engines.quantization import hold_out
from wrn.deploy.export.metadata import Metadata, takes_bgr, to_rgb
from wrn.models.folding import fold_batch_norm


class Exportable(nn.Module):
    """The network of an exported file, from one tensor to one.

    Args:
        network: The classifier.
        metadata: The metadata of the file.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: BaseModel, metadata: Metadata) -> None:
        super().__init__()
        self.network = TensorsOnly(fold_batch_norm(network))
        self.preprocess = metadata.preprocess
        self.softmax = metadata.softmax
        self.bgr = takes_bgr(network)
        for name in ('mean', 'std') if metadata.preprocess else ():
            self.register_buffer(name, torch.tensor(getattr(metadata, name)).view(3, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the logits, or the probabilities if the metadata says so.

        Args:
            inputs: Images, in the layout and data type of the metadata.

        Returns:
            ``(N, num_classes)``.
        """
        if self.preprocess:
            inputs = (inputs.permute(0, 3, 1, 2) - self.mean) / self.std
            inputs = inputs.flip(1) if self.bgr else inputs
        (logits,) = self.network(inputs)
        return logits.softmax(1) if self.softmax else logits


class Reference:
    """The outputs that a file must have for RGB images, ``(N, H, W, 3)``, uint8.

    Args:
        network: The classifier.
        metadata: The metadata of the file.
    """

    def __init__(self, network: BaseModel, metadata: Metadata) -> None:
        self._network = network
        self._metadata = metadata

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Compute the logits, or log-probabilities if the file has a softmax."""
        logits = self._network(self._normalize(pixels), mode='tensor')
        return (self._unsaturate(logits.softmax(1) if self._metadata.softmax else logits),)

    def make_inputs(self, pixels: Tensor) -> Tensor:
        """Convert images to inputs of the file."""
        return pixels if self._metadata.preprocess else self._normalize(pixels)

    def run_file(self, forward: Forward) -> Forward:
        """Return a function that runs a file on batches of 1, of 3 and of all remaining images."""

        def run_batches(pixels: Tensor) -> tuple[Tensor, ...]:
            inputs = self.make_inputs(pixels)
            batches = [batch for batch in inputs.tensor_split([1, 4]) if len(batch)]
            return (self._unsaturate(torch.cat([forward(batch)[0] for batch in batches])),)

        return run_batches

    def _unsaturate(self, outputs: Tensor) -> Tensor:
        """Take the logarithm of probabilities, since those of noise are all near 0 or 1."""
        return outputs.clamp(min=1e-30).log() if self._metadata.softmax else outputs

    def make_noise(self) -> Tensor:
        """Return a batch of four images of noise, the same in each call."""
        generator = torch.Generator().manual_seed(0)
        shape = (4, *self._metadata.size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    def read_calibration(
        self, calibration: ImageLike | Sequence[ImageLike]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Read images; return those to verify with, and batches of one to calibrate with."""
        images = preprocess_sample(calibration, Preprocessing(self._network._config))
        pixels = torch.from_numpy(np.stack(images))
        return hold_out(to_rgb(pixels, self._metadata.pipeline))

    def _normalize(self, pixels: Tensor) -> Tensor:
        pixels = to_rgb(pixels, self._metadata.pipeline).permute(0, 3, 1, 2)
        return self._network.data_preprocessor(dict(inputs=pixels))['inputs']
