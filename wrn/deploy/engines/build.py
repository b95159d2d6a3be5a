"""Build an engine, or the fastest one that is installed, and verify its outputs."""

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
from wrn_base.errors import WrnError, one_line

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
# What `auto` compares, by device type. On CPUs the compiler was never the fastest
# (benchmarks/engines.py), and it takes longest to build. So it is only a fallback.
_CANDIDATES: dict[str, tuple[str, ...]] = {
    'cpu': ('ncnn', 'openvino', 'onnxruntime'),
    'cuda': ('tensorrt', 'compile'),
}
_logger = logging.getLogger('wrn')
_TIMED_BATCH = 8  # images, or one a thread if more: larger batches give the same ranking


@dataclass
class Built:
    """An engine that was built and verified.

    Attributes:
        engine: The engine.
        difference: The difference between its outputs and the network's.
        rates: The images per second of each engine that ``'auto'`` compared; empty if it did not.
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
        classifier: One of mmpretrain's classifiers, in eval mode. With ``head=None`` the engine
            computes features.
        example: Example inputs, ``(N, C, H, W)``, on the device to run on. The engine takes images
            of this size and is tuned for batches of N.
        backend: One of :data:`BACKENDS` except ``'eager'``. ``'auto'`` times the engines that are
            installed on the example inputs and takes the fastest.
        precision: One of :data:`PRECISIONS`. Defaults to ``'float32'``.
        calibration: Inputs for calibrating ``int8``, ``(N, C, H, W)``. Every fourth is held out to
            verify the engine. Defaults to None.

    Returns:
        The engine, and its difference from the network.

    Raises:
        EngineError: If the engine is unavailable, or its outputs differ from the network's.
    """
    graph = NetworkGraph(classifier, example)
    generator = torch.Generator().manual_seed(0)
    held_out = torch.randn((2, *example.shape[1:]), generator=generator).to(example.device)
    batches: Sequence[Tensor] = ()
    if precision == 'int8' and calibration is not None and len(calibration):
        held_out, batches = hold_out(calibration)

    def build(name: str) -> tuple[Engine, Difference]:
        tolerance = find_tolerance(precision, example.device)
        undecided = find_tolerance('float32', example.device) if precision == 'int8' else tolerance
        try:
            engine = _ENGINES[name](graph, precision, batches)
            has_head = graph.outputs == ['logits']
            difference = compare(engine, graph.network, held_out, has_head, undecided)
        except WrnError:
            raise
        except Exception as error:  # the runtimes' errors have no common base class
            raise EngineError(
                f'backend {name}: cannot run the network ({one_line(error)}); use another backend'
            ) from error
        check(difference, f'backend {name}', precision, tolerance)
        return engine, difference

    if backend == 'auto':
        return _find_fastest(build, precision, example)
    _check_available(backend, precision, example.device)
    return Built(*build(backend), {})


def find_missing(backend: str, device: torch.device) -> str | None:
    """Return what is missing to run a backend.

    Args:
        backend: One of :data:`BACKENDS` except ``'auto'``.
        device: The device to run on.

    Returns:
        What is missing and how to get it, for a message. None if the backend can run.
    """
    return None if backend == 'eager' else _ENGINES[backend].missing(device)


def name_supporting(precision: str) -> str:
    """Return the backends that support a precision, installed or not, for a message.

    Args:
        precision: One of :data:`PRECISIONS`.
    """
    return ' or '.join(_find_supporting(precision)) or 'another precision'


def _find_supporting(precision: str) -> list[str]:
    return [name for name, engine in _ENGINES.items() if precision in engine.precisions]


def _check_available(backend: str, precision: str, device: torch.device) -> None:
    engine = _ENGINES.get(backend)
    if engine is None:
        raise EngineError(f'backend {backend!r}: unknown; use one of {", ".join(BACKENDS)}')
    if precision not in engine.precisions:
        able = name_supporting(precision)
        raise EngineError(f'backend {backend}: does not support {precision}; use {able}')
    if missing := engine.missing(device):
        raise EngineError(f'backend {backend}: {missing}')


def _find_candidates(precision: str, device: torch.device) -> list[list[str]]:
    """List the engines that are available here, in groups of decreasing preference."""
    able = _find_supporting(precision)
    groups = [_CANDIDATES.get(device.type, ()), ('compile',), ('fused',)]
    return [
        [name for name in names if name in able and not _ENGINES[name].missing(device)]
        for names in groups
    ]


def _find_fastest(
    build: Callable[[str], tuple[Engine, Difference]], precision: str, example: Tensor
) -> Built:
    """Build the engines of the first group that has one that works, and return the fastest."""
    device = example.device
    failures = []
    for names in _find_candidates(precision, device):
        engines = {}
        for name in names:
            try:
                engines[name] = build(name)
            except WrnError as error:
                failures.append(str(error))
                _logger.info('skipped: %s', error)
        if engines:
            rates = _measure(engines, example) if len(engines) > 1 else {}
            best = max(engines, key=lambda name: rates.get(name, 0))
            return Built(*engines[best], rates)
    for name in _find_supporting(precision):
        if missing := _ENGINES[name].missing(device):
            failures.append(f'{name}: {missing}')
    raise EngineError(
        f'precision {precision}: no backend supports it on {device}; use another precision, or '
        f'fix one of the backends: {"; ".join(failures)}'
    )


def _measure(engines: dict[str, tuple[Engine, Difference]], example: Tensor) -> dict[str, float]:
    """Return the images per second of each engine. On CPUs a small batch is enough."""
    number = max(_TIMED_BATCH, torch.get_num_threads())
    inputs = example[:number] if example.device.type == 'cpu' else example
    for engine, _ in engines.values():
        engine(inputs)
    return {name: len(inputs) / _time(engine, inputs) for name, (engine, _) in engines.items()}


def _time(engine: Engine, inputs: Tensor) -> float:
    """Return the seconds of the fastest call, out of two or as many as fit into 0.1 s."""
    seconds: list[float] = []
    while len(seconds) < 2 or sum(seconds) < 0.1:
        start = time.perf_counter()
        engine(inputs)[0].cpu()  # waits for a GPU
        seconds.append(time.perf_counter() - start)
    return min(seconds)
