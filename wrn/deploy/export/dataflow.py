"""Networks out of files that may ask for anything: operators of a short list, applied in order."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from wrn.deploy.export.format import Run
from wrn.deploy.export.metadata import ExportError

# All that residual networks compute with. None of these reads or writes a file, takes a function,
# or changes anything but tensors.
_NAMES = """
    _adaptive_avg_pool2d _convolution _softmax adaptive_avg_pool2d add add_ addmm avg_pool2d
    batch_norm cat clone constant_pad_nd contiguous conv2d div dropout elu flatten flip gelu
    group_norm hardsigmoid hardsigmoid_ hardswish hardswish_ leaky_relu leaky_relu_ linear matmul
    max_pool2d mean mul mul_ pad permute relu relu_ reshape sigmoid sigmoid_ silu silu_ size
    softmax squeeze sub sym_size t tanh transpose unsqueeze view
"""
OPERATORS = frozenset(_NAMES.split())


class Dataflow:
    """Build a network of such operators.

    Args:
        path: The file that it is read from, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._input = self._graph.placeholder('inputs')
        self._values: dict[str, Any] = {}

    def set_input(self, name: str) -> None:
        """Name the input."""
        self._values[name] = self._input

    def set_constant(self, name: str, tensor: Tensor) -> None:
        """Name a tensor."""
        attribute = f'constant_{len(self._values)}'
        self._root.register_buffer(attribute, tensor)
        self._values[name] = self._graph.get_attr(attribute)

    def set_value(self, name: str, value: Any) -> None:
        """Name what an operator returned."""
        self._values[name] = value

    def get(self, name: str) -> Any:
        """Look up what has a name.

        Args:
            name: The name.

        Returns:
            What stands for it.

        Raises:
            ExportError: If nothing has it.
        """
        if name not in self._values:
            raise ExportError(f'{self.path}: the program is damaged, there is no {name!r}')
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Apply an operator.

        Args:
            name: Its name, without its overload, of those that torch calls ``aten``.
            args: Its arguments: numbers, and what :meth:`get` and this function return.
            kwargs: Its named arguments.

        Returns:
            What stands for its result.

        Raises:
            ExportError: If it is none of those that networks need.
        """
        if name not in OPERATORS:
            raise ExportError(
                f'{self.path}: refused, because it asks for the operator {name}, which no network '
                'here needs'
            )
        if not all(key.isidentifier() for key in kwargs):  # fx writes them into code
            raise ExportError(f'{self.path}: the program is damaged at the operator {name}')
        return self._graph.call_function(getattr(torch.ops.aten, name), tuple(args), dict(kwargs))

    def finish(self, output: Any, device: torch.device) -> Run:
        """Make a function of the network.

        Args:
            output: What stands for the only output.
            device: Where to run.

        Returns:
            The function.
        """
        self._graph.output(output)
        module = fx.GraphModule(self._root, self._graph).to(device)

        def run(inputs: Tensor) -> tuple[Tensor, ...]:
            with torch.inference_mode():
                return (module(inputs.to(device)),)

        return run
