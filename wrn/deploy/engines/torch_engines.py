"""Engines that are torch itself."""

import importlib.util
import shutil
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

from wrn.deploy.engines.engine import Engine, EngineError
from wrn.deploy.engines.graph import NetworkGraph, TensorsOnly, quiet
from wrn.models.folding import fold_batch_norm

_DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}


class FusedEngine(Engine):
    """The network as torch runs it, with batch norms folded and channels last."""

    name = 'fused'
    precisions = ('float32', 'bfloat16', 'float16')
    own_threads = False

    def __init__(
        self, source: NetworkGraph, precision: str = 'float32', calibration: Iterable[Tensor] = ()
    ) -> None:
        self.device = source.example.device
        self.dtype = _DTYPES[precision]
        if self.dtype != torch.float32 and not computes_natively(self.device, self.dtype):
            raise EngineError(
                f'precision {precision}: {self.device} does not compute in it, so it would gain '
                'nothing; leave it out'
            )
        folded = fold_batch_norm(source.network.classifier, channels_last=True)
        self.network: Callable = TensorsOnly(folded).to(self.dtype)

    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        inputs = inputs.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            return tuple(output.float() for output in self.network(inputs))


class CompiledEngine(FusedEngine):
    """What ``torch.compile`` makes of the fused network, for batches of one size."""

    name = 'compile'

    def __init__(
        self, source: NetworkGraph, precision: str = 'float32', calibration: Iterable[Tensor] = ()
    ) -> None:
        super().__init__(source, precision, calibration)
        self.batch_size = len(source.example)
        from torch._dynamo import config as dynamo  # a second, which only this engine needs
        from torch._inductor import config

        self.network = torch.compile(self.network, dynamic=False)
        # Frozen, weights are laid out for the kernels once, and not for each batch. torch.compile's
        # option of that name is not seen by those parts of it that would treat them as constants.
        # Of one function torch compiles but so many, and would run the next eagerly.
        with quiet(), config.patch(freezing=True), dynamo.patch(fail_on_recompile_limit_hit=True):
            self.run(source.example)  # which compiles it

    @classmethod
    def missing(cls, device: torch.device) -> str | None:
        """Tell whether torch finds a compiler."""
        if device.type == 'cpu' and not (shutil.which('g++') or shutil.which('clang++')):
            return 'torch.compile needs a C++ compiler; install g++'
        if device.type == 'cuda' and importlib.util.find_spec('triton') is None:
            return 'torch.compile needs triton; pip install triton'
        return super().missing(device)

    @torch.inference_mode()  # in which padding makes tensors that are always of one kind
    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network; what is less than a batch is filled up, so as not to compile again."""
        parts = []
        for part in inputs.split(self.batch_size):
            lacking = self.batch_size - len(part)
            outputs = super().run(functional.pad(part, (0, 0) * 3 + (0, lacking)))
            parts.append([output[: len(part)] for output in outputs])
        return tuple(torch.cat(outputs) for outputs in zip(*parts, strict=True))


def computes_natively(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether a device has instructions for a format of less than 32 bits.

    Args:
        device: The device.
        dtype: ``torch.bfloat16`` or ``torch.float16``.

    Returns:
        Whether it computes in it, and not in float32 in between.
    """
    if device.type == 'cuda':
        return dtype == torch.float16 or torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == 'cpu':
        if dtype == torch.bfloat16:
            return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.cpu._is_amx_fp16_supported()
    return True
