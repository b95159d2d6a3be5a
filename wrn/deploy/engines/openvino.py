"""OpenVINO, in float32 and less."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wrn.deploy.engines.engine import Engine, EngineError
from wrn.deploy.engines.graph import INPUT, NetworkGraph, quiet

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_HINTS = {'float32': 'f32', 'bfloat16': 'bf16', 'float16': 'f16', 'int8': 'f32'}
_CAPABILITIES = {'bfloat16': 'BF16', 'float16': 'FP16', 'int8': 'INT8'}


class OpenVINOEngine(Engine):
    """The network in OpenVINO, on the CPU."""

    name = 'openvino'
    precisions = ('float32', 'bfloat16', 'float16', 'int8')
    requires = ('openvino',)

    def __init__(
        self, source: NetworkGraph, precision: str = 'float32', calibration: Iterable[Tensor] = ()
    ) -> None:
        self.size = source.example.shape[2:]
        network = convert(source.program, source.outputs)
        if precision == 'int8':
            from wrn.deploy.engines.quantization import quantize  # which needs NNCF, too

            network = quantize(network, calibration)
        self._compile(network, precision)

    @classmethod
    def from_model(cls, network: Any) -> 'OpenVINOEngine':
        """Run what was read from a file.

        Args:
            network: An ``openvino.Model``, which computes in what it was written for.

        Returns:
            The engine.
        """
        engine = cls.__new__(cls)
        engine._compile(network, 'float32')
        return engine

    def _compile(self, network: Any, precision: str) -> None:
        core = get_core()
        needed = _CAPABILITIES.get(precision)
        if needed and needed not in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
            raise EngineError(
                f'precision {precision}: this CPU does not compute in it, so it would gain '
                'nothing; leave it out'
            )
        # By default it takes bfloat16 where the CPU has it, and does not say so. One stream, since
        # all of a batch goes through the network at once.
        self.network = core.compile_model(
            network,
            'CPU',
            {
                'INFERENCE_PRECISION_HINT': _HINTS[precision],
                'PERFORMANCE_HINT': 'LATENCY',
                'INFERENCE_NUM_THREADS': torch.get_num_threads(),
            },
        )

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
        outputs = self.network(inputs.contiguous().numpy()).to_tuple()
        return tuple(torch.from_numpy(output.copy()) for output in outputs)


@cache
def get_core() -> Any:
    """Return the ``openvino.Core`` of the process, which lives as long as that.

    Its plugin for CPUs sets a stack for signals in the thread that makes it. Dropped in another
    thread, as the garbage collector may run in any, it leaves that stack set, though it is gone,
    and the next signal ends the process with a segmentation fault.
    """
    import openvino

    return openvino.Core()


def convert(program: 'ExportedProgram', outputs: list[str]) -> Any:
    """Turn a program into OpenVINO's model.

    Args:
        program: What ``torch.export`` gave.
        outputs: The names of its outputs.

    Returns:
        The ``openvino.Model``.
    """
    import openvino

    with quiet():
        network = openvino.convert_model(program)
    network.inputs[0].get_tensor().set_names({INPUT})
    for output, name in zip(network.outputs, outputs, strict=True):
        output.get_tensor().set_names({name})
    return network
