"""Build the engine that is asked for, or the fastest that is installed, and check it."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wrn.deploy.engines.engine import Engine, EngineError
from wrn.deploy.engines.graph import NetworkGraph
from wrn.deploy.engines.ncnn import NcnnEngine
from wrn.deploy.engines.onnx_runtime import OnnxRuntimeEngine, TensorRTEngine
from wrn.deploy.engines.openvino import OpenVINOEngine
from wrn.deploy.engines.quantization import hold_out
from wrn.deploy.engines.torch_engines import CompiledEngine, FusedEngine
from wrn.deploy.engines.verify import Difference, check, compare, find_tolerance
from wrn.utils.errors import WrnError

_ENGINES: dict[str, type[Engine]] = {
    engine.name: engine
    for engine in (
        FusedEngine,
        CompiledEngine,
        OnnxRuntimeEngine,
        OpenVINOEngine,
        NcnnEngine,
        TensorRTEngine,
    )
}
BACKENDS = ('eager', *_ENGINES, 'auto')
# What `auto` compares, by the type of the device. On CPUs the compiler was never the fastest
# (benchmarks/engines.py) and takes the longest, so it is asked only if there is nothing else.
_CANDIDATES: dict[str, tuple[str, ...]] = {
    'cpu': ('ncnn', 'openvino', 'onnxruntime'),
    'cuda': ('tensorrt', 'compile'),
}
_logger = logging.getLogger('wrn')
_MOST_COMPARED = 8  # pictures of a batch, or as many as threads: larger ones have the same order


@dataclass
class Built:
    """An engine, and what is known of it.

    Attributes:
        engine: The engine.
        difference: What sets its outputs apart from the network's.
        rates: The pictures a second of each engine that was compared; empty if none was.
    """

    engine: Engine
    difference: Difference
    rates: dict[str, float]


def build_engine(
    classifier: nn.Module,
    example: Tensor,
    backend: str,
    precision: str = 'float32',
    calibration: Tensor | None = None,
) -> Built:
    """Build an engine, and compare it with the network.

    Args:
        classifier: One of mmpretrain's classifiers, in eval mode; with ``head=None`` the engine
            computes features.
        example: Inputs of the size that the engine shall take, ``(N, C, H, W)``, on the device
            where it shall run. N is the number that it shall take at a time, for which it is tuned.
        backend: One of :data:`BACKENDS` but ``'eager'``. ``'auto'`` takes the fastest for these
            inputs of those that are installed, by trying.
        precision: One of :data:`PRECISIONS`. Defaults to ``'float32'``.
        calibration: Inputs to calibrate ``int8`` with, of which every fourth is held out to
            compare. Defaults to None.

    Returns:
        The engine, and the difference.

    Raises:
        EngineError: If it cannot be had, or computes something else.
    """
    source = NetworkGraph(classifier, example)
    held_out = _noise(example)
    parts: Sequence[Tensor] = ()
    if precision == 'int8' and calibration is not None and len(calibration):
        held_out, parts = hold_out(calibration)

    def build(name: str) -> tuple[Engine, Difference]:
        tolerance = find_tolerance(precision, example.device)
        undecided = find_tolerance('float32', example.device) if precision == 'int8' else tolerance
        try:
            engine = _ENGINES[name](source, precision, parts)
            scores = source.outputs == ['scores']
            difference = compare(engine, source.network, held_out, scores, undecided)
        except WrnError:
            raise
        except Exception as error:  # each runtime has its own
            reason = ' '.join(str(error).split())[:300] or type(error).__name__
            raise EngineError(f'backend {name}: does not take the network ({reason})') from error
        check(difference, f'backend {name}', precision, tolerance)
        return engine, difference

    if backend == 'auto':
        return _find_fastest(build, precision, example)
    _check_available(backend, precision, example.device)
    return Built(*build(backend), {})


def _noise(example: Tensor) -> Tensor:
    """Make two pictures of noise, always the same."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn((2, *example.shape[1:]), generator=generator).to(example.device)


def _check_available(backend: str, precision: str, device: torch.device) -> None:
    engine = _ENGINES.get(backend)
    if engine is None:
        raise EngineError(f'backend {backend}: there is none; there are {", ".join(BACKENDS)}')
    if precision not in engine.precisions:
        able = [name for name, other in _ENGINES.items() if precision in other.precisions]
        cure = f'{" and ".join(able)} can' if able else 'nor can any other'
        raise EngineError(f'backend {backend}: cannot compute in {precision}; {cure}')
    if lacking := engine.missing(device):
        raise EngineError(f'backend {backend}: {lacking}')


def _find_candidates(precision: str, device: torch.device) -> list[list[str]]:
    """List what can be had here, in groups, of which the first that works is to be taken."""
    groups = [_CANDIDATES.get(device.type, ()), ('compile',), ('fused',)]
    return [
        [
            name
            for name in names
            if precision in _ENGINES[name].precisions and not _ENGINES[name].missing(device)
        ]
        for names in groups
    ]


def _find_fastest(
    build: Callable[[str], tuple[Engine, Difference]], precision: str, example: Tensor
) -> Built:
    """Build some engines and keep the fastest."""
    device = example.device
    failures = []
    for names in _find_candidates(precision, device):
        engines = {}
        for name in names:
            try:
                engines[name] = build(name)
            except WrnError as error:
                failures.append(str(error))
                _logger.info('left out: %s', error)
        if engines:
            rates = _measure(engines, example) if len(engines) > 1 else {}
            best = max(rates, key=rates.__getitem__) if rates else next(iter(engines))
            return Built(*engines[best], rates)
    able = [name for name, engine in _ENGINES.items() if precision in engine.precisions]
    lacking = [f'{name}: {missing}' for name in able if (missing := _ENGINES[name].missing(device))]
    raise EngineError(
        f'precision {precision}: no engine for {device} computes in it; '
        + '; '.join([*failures, *lacking])
    )


def _measure(engines: dict[str, tuple[Engine, Difference]], example: Tensor) -> dict[str, float]:
    """Measure the pictures a second of each engine, on the CPU in a batch that is not too large."""
    number = max(_MOST_COMPARED, torch.get_num_threads())
    inputs = example[:number] if example.device.type == 'cpu' else example
    for engine, _ in engines.values():
        engine(inputs)
    return {name: len(inputs) / _time(engine, inputs) for name, (engine, _) in engines.items()}


def _time(engine: Engine, inputs: Tensor) -> float:
    """Return the seconds of the fastest call, of two or of those that a tenth of a second has."""
    seconds: list[float] = []
    while len(seconds) < 2 or sum(seconds) < 0.1:
        start = time.perf_counter()
        engine(inputs)[0].cpu()  # which waits for a GPU
        seconds.append(time.perf_counter() - start)
    return min(seconds)
