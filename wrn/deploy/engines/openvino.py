"""OpenVINO, in float32 and in lower precisions."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wrn.deploy.engines.engine import Engine, EngineError
from wrn.deploy.engines.graph import INPUT, NetworkGraph
from wrn.deploy.engines.quantization import quantize
from wrn.utils.quiet import quiet

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_HINTS = {'float32': 'f32', 'bfloat16': 'bf16', 'float16': 'f16', 'int8': 'f32'}
_CAPABILITIES = {'bfloat16': 'BF16', 'float16': 'FP16', 'int8': 'INT8'}


class OpenVINOEngine(Engine):
    """The network in OpenVINO, on the CPU."""

    name = 'openvino'
    precisions = ('float32', 'bfloat16', 'float16', 'int8')
    requires = ('openvino',)
    cpu_only = True

    def __init__(self, graph: NetworkGraph, precision: str, calibration: Iterable[Tensor]) -> None:
        self.size = graph.example.shape[2:]
        model = convert(graph.program, graph.outputs)
        if precision == 'int8':
            model = quantize(model, calibration)
        self._compile(model, precision)

    @classmethod
    def from_model(cls, model: Any) -> 'OpenVINOEngine':
        """Run a model that was read from a file.

        Args:
            model: An ``openvino.Model``. It computes in the precision that it was written for.

        Returns:
            The engine.
        """
        engine = cls.__new__(cls)
        engine._compile(model, 'float32')
        return engine

    def _compile(self, model: Any, precision: str) -> None:
        core = get_core()
        needed = _CAPABILITIES.get(precision)
        if needed and needed not in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
            raise EngineError(
                f'precision {precision}: this CPU has no instructions for it, so it would not be '
                'faster; use float32'
            )
        # Without the precision hint, OpenVINO silently uses bfloat16 where the CPU supports it. The
        # latency hint makes one stream: the whole batch goes through the network at once.
        self.network = core.compile_model(
            model,
            'CPU',
            {
                'INFERENCE_PRECISION_HINT': _HINTS[precision],
                'PERFORMANCE_HINT': 'LATENCY',
                'INFERENCE_NUM_THREADS': torch.get_num_threads(),
            },
        )

    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        outputs = self.network(inputs.contiguous().numpy()).to_tuple()
        return tuple(torch.from_numpy(output.copy()) for output in outputs)


@cache
def get_core() -> Any:
    """Return the ``openvino.Core`` of this process, and keep it alive until the process ends.

    Its CPU plugin sets an alternate signal stack in the thread that creates it. If the garbage
    collector drops the core in another thread, that stack is freed but stays set, and the next
    signal ends the process with a segmentation fault.
    """
    import openvino

    return openvino.Core()


def convert(program: 'ExportedProgram', outputs: list[str]) -> Any:
    """Convert an exported program to an OpenVINO model.

    Args:
        program: The program.
        outputs: The names of its outputs.

    Returns:
        The ``openvino.Model``.
    """
    import openvino

    with quiet():
        model = openvino.convert_model(program)
    model.inputs[0].get_tensor().set_names({INPUT})
    for output, name in zip(model.outputs, outputs, strict=True):
        output.get_tensor().set_names({name})
    return model
