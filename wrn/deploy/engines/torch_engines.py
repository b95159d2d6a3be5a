"""Engines that need torch only."""

import importlib.util
import shutil
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wrn.deploy.engines.engine import Engine, EngineError
from wrn.deploy.engines.graph import NetworkGraph, TensorsOnly
from wrn.models.folding import fold_batch_norm
from wrn.utils.quiet import quiet
from wrn_base.systems import COMPILER_PACKAGE, COMPILERS

_DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}


class FusedEngine(Engine):
    """The network in eager torch, with folded batch norms and in channels-last memory format."""

    name = 'fused'
    precisions = ('float32', 'bfloat16', 'float16')
    own_threads = False

    def __init__(self, graph: NetworkGraph, precision: str, calibration: Iterable[Tensor]) -> None:
        self.device = graph.example.device
        self.dtype = _DTYPES[precision]
        if self.dtype != torch.float32 and not computes_natively(self.device, self.dtype):
            raise EngineError(
                f'precision {precision}: {self.device} has no instructions for it, so it would not '
                'be faster; use float32'
            )
        self.eager = fold_batch_norm(graph.network.classifier, channels_last=True).to(self.dtype)
        self.network: Callable[..., Any] = TensorsOnly(self.eager)

    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        inputs = inputs.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            return tuple(output.float() for output in self.network(inputs))


class CompiledEngine(FusedEngine):
    """The fused network, compiled by ``torch.compile`` for one batch size."""

    name = 'compile'

    def __init__(self, graph: NetworkGraph, precision: str, calibration: Iterable[Tensor]) -> None:
        super().__init__(graph, precision, calibration)
        self.eager = None
        self.batch_size = len(graph.example)
        from torch._dynamo import config as dynamo  # takes a second to import
        from torch._inductor import config

        self.network = torch.compile(self.network, dynamic=False)
        # Freezing makes the weights constants, so that their memory format is converted once and
        # not for each batch. The option `freezing` of torch.compile does not reach all passes that
        # need it. Beyond the recompile limit torch would silently run the network eagerly.
        with quiet(), config.patch(freezing=True), dynamo.patch(fail_on_recompile_limit_hit=True):
            self.run(graph.example)  # the first run compiles

    @classmethod
    def missing(cls, device: torch.device) -> str | None:
        """Return which compiler is missing; None if torch finds one."""
        if device.type == 'cpu' and not any(map(shutil.which, COMPILERS)):
            return f'torch.compile needs a C++ compiler; install {COMPILER_PACKAGE}'
        if device.type == 'cuda' and importlib.util.find_spec('triton') is None:
            return 'torch.compile needs triton; pip install triton'
        return None

    @torch.inference_mode()  # padded and whole batches must be the same kind of tensor
    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network. Pad an incomplete batch, since another batch size would recompile."""
        batches = []
        for batch in inputs.split(self.batch_size):
            padding = self.batch_size - len(batch)
            outputs = super().run(functional.pad(batch, (0, 0) * 3 + (0, padding)))
            batches.append([output[: len(batch)] for output in outputs])
        return tuple(torch.cat(outputs) for outputs in zip(*batches, strict=True))


def computes_natively(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether a device has instructions for a 16-bit type.

    Args:
        device: The device.
        dtype: ``torch.bfloat16`` or ``torch.float16``.

    Returns:
        False if the device would emulate the type in float32.
    """
    if device.type == 'cuda':
        return dtype == torch.float16 or torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == 'cpu':
        if dtype == torch.bfloat16:
            return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.cpu._is_amx_fp16_supported()
    return True
