"""ncnn, which computes 3x3 convolutions with fewer multiplications (Winograd's)."""

import os
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wrn.deploy.engines.engine import Engine, EngineError
from wrn.deploy.engines.graph import NetworkGraph

_ROUNDS = (
    'use_fp16_packed',
    'use_fp16_storage',
    'use_fp16_arithmetic',
    'use_bf16_packed',
    'use_bf16_storage',
)


class NcnnEngine(Engine):
    """The network in ncnn, on the CPU.

    Of several pictures each is computed by a thread of its own; a single one is by all of them.
    """

    name = 'ncnn'
    requires = ('onnx', 'onnxscript', 'ncnn', 'pnnx')

    def __init__(
        self, source: NetworkGraph, precision: str = 'float32', calibration: Iterable[Tensor] = ()
    ) -> None:
        import ncnn

        self._ncnn = ncnn
        self.size = source.example.shape[2:]
        self.outputs = [f'out{i}' for i in range(len(source.outputs))]
        threads = torch.get_num_threads()
        self.network = ncnn.Net()
        for option in _ROUNDS:  # by default it rounds to 16 bits where the CPU can
            setattr(self.network.opt, option, False)
        # It prepares the weights for a number of threads, which must not change later.
        self.network.opt.num_threads = threads if len(source.example) == 1 else 1
        self.workers = ThreadPoolExecutor(1 if len(source.example) == 1 else threads)
        with tempfile.TemporaryDirectory(prefix='wrn-') as folder:
            param, weights = _convert(source, Path(folder))
            if self.network.load_param(str(param)) or self.network.load_model(str(weights)):
                raise EngineError('backend ncnn: it has no layer for a part of the network')

    @classmethod
    def missing(cls, device: torch.device) -> str | None:
        """Tell whether it is not installed, or the device is no CPU."""
        return super().missing(device) or (
            None
            if device.type == 'cpu'
            else f'it runs on the CPU here, not on {device}; give the device cpu'
        )

    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        pictures = list(self.workers.map(self._run, inputs.contiguous().numpy()))
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*pictures, strict=True))

    def _run(self, picture: np.ndarray) -> list[np.ndarray]:
        extractor = self.network.create_extractor()
        extractor.input('in0', self._ncnn.Mat(picture))
        results = [extractor.extract(name) for name in self.outputs]
        if any(code for code, _ in results):
            raise EngineError('backend ncnn: it cannot compute the network')
        return [np.array(output) for _, output in results]


def _convert(source: NetworkGraph, folder: Path) -> tuple[Path, Path]:
    """Convert a network by pnnx, ncnn's own tool; return the paths of structure and weights."""
    spec = find_spec('pnnx')
    assert spec is not None
    names = ('ncnnparam', 'ncnnbin', 'pnnxparam', 'pnnxbin', 'pnnxpy', 'pnnxonnx', 'ncnnpy')
    files = {name: folder / name for name in names}
    size = ','.join(map(str, (1, *source.example.shape[1:])))
    result = subprocess.run(
        [
            Path(str(spec.origin)).with_name('pnnx.exe' if os.name == 'nt' else 'pnnx'),
            source.onnx,
            f'inputshape=[{size}]',
            'fp16=0',
            *(f'{name}={path}' for name, path in files.items()),
        ],
        capture_output=True,
        check=False,
    )
    if result.returncode or not files['ncnnbin'].exists():
        raise EngineError('backend ncnn: its converter does not take the network')
    return files['ncnnparam'], files['ncnnbin']
