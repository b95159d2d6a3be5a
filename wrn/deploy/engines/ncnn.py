"""ncnn, which uses Winograd's algorithm for 3x3 convolutions."""

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

_REDUCED_PRECISION = (
    'use_fp16_packed',
    'use_fp16_storage',
    'use_fp16_arithmetic',
    'use_bf16_packed',
    'use_bf16_storage',
)


class NcnnEngine(Engine):
    """The network in ncnn, on the CPU.

    One thread computes each image of a batch; all threads share a single image.
    """

    name = 'ncnn'
    requires = ('onnx', 'onnxscript', 'ncnn', 'pnnx')
    cpu_only = True

    def __init__(self, graph: NetworkGraph, precision: str, calibration: Iterable[Tensor]) -> None:
        import ncnn

        self._ncnn = ncnn
        self.size = graph.example.shape[2:]
        self.outputs = [f'out{i}' for i in range(len(graph.outputs))]
        threads, single = torch.get_num_threads(), len(graph.example) == 1
        self.network = ncnn.Net()
        for option in _REDUCED_PRECISION:  # on by default where the CPU supports 16 bits
            setattr(self.network.opt, option, False)
        # ncnn arranges the weights for this number of threads, so it must not change later.
        self.network.opt.num_threads = threads if single else 1
        self.workers = ThreadPoolExecutor(1 if single else threads)
        with tempfile.TemporaryDirectory(prefix='wrn-') as folder:
            param, weights = _convert(graph, Path(folder))
            if self.network.load_param(str(param)) or self.network.load_model(str(weights)):
                raise EngineError('backend ncnn: has no layer for an operator; use another backend')

    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        images = list(self.workers.map(self._run_image, inputs.contiguous().numpy()))
        return tuple(torch.from_numpy(np.stack(outputs)) for outputs in zip(*images, strict=True))

    def _run_image(self, image: np.ndarray) -> list[np.ndarray]:
        extractor = self.network.create_extractor()
        extractor.input('in0', self._ncnn.Mat(image))
        results = [extractor.extract(name) for name in self.outputs]
        if any(code for code, _ in results):
            raise EngineError('backend ncnn: cannot run the network; use another backend')
        return [np.array(output) for _, output in results]


def _convert(graph: NetworkGraph, folder: Path) -> tuple[Path, Path]:
    """Convert a network with pnnx, ncnn's converter; return the paths of structure and weights."""
    spec = find_spec('pnnx')
    assert spec is not None
    names = ('ncnnparam', 'ncnnbin', 'pnnxparam', 'pnnxbin', 'pnnxpy', 'pnnxonnx', 'ncnnpy')
    files = {name: folder / name for name in names}
    size = ','.join(map(str, (1, *graph.example.shape[1:])))
    result = subprocess.run(
        [
            Path(str(spec.origin)).with_name('pnnx.exe' if os.name == 'nt' else 'pnnx'),
            graph.onnx,
            f'inputshape=[{size}]',
            'fp16=0',
            *(f'{name}={path}' for name, path in files.items()),
        ],
        capture_output=True,
        check=False,
    )
    if result.returncode or not files['ncnnbin'].exists():
        raise EngineError('backend ncnn: pnnx cannot convert the network; use another backend')
    return files['ncnnparam'], files['ncnnbin']
