"""The network that an engine is built from, and what it becomes on the way to a runtime."""

import contextlib
import logging
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from wrn.models.folding import fold_batch_norm
from wrn.utils.errors import WrnError

if TYPE_CHECKING:  # torch imports half of its compiler for it
    from torch.export import ExportedProgram
    from torch.onnx import ONNXProgram

INPUT = 'input'


class NetworkGraph:
    """A classifier to build engines from.

    Args:
        classifier: The classifier, in eval mode.
        example: Inputs that it takes, ``(N, C, H, W)``, as many as the engine shall take at a time.
    """

    def __init__(self, classifier: nn.Module, example: Tensor) -> None:
        self.network = TensorsOnly(classifier)
        self.example = example

    @cached_property
    def program(self) -> 'ExportedProgram':
        """The network with its batch norms folded, exported for any number of pictures."""
        return export_program(TensorsOnly(fold_batch_norm(self.network.classifier)), self.example)

    @cached_property
    def outputs(self) -> list[str]:
        """The names of the outputs: ``scores``, or ``features_0`` and so on."""
        return output_names(self.network, self.example)

    @cached_property
    def onnx(self) -> Path:
        """The path of the program in ONNX; the file goes with this object."""
        folder = tempfile.mkdtemp(prefix='wrn-')
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder, 'network.onnx')
        make_onnx(self.program, self.outputs).save(path)
        return path


class TensorsOnly(nn.Module):
    """A classifier as a function from tensor to tensors, which runtimes can take in.

    Args:
        classifier: One of mmpretrain's.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the scores ``(N, num_classes)``, or the features where there is no head.

        Args:
            inputs: Normalised pictures, ``(N, C, H, W)``.

        Returns:
            The scores alone, or the features of each of the ``out_indices``.
        """
        outputs = self.classifier(inputs, mode='tensor')
        return outputs if isinstance(outputs, tuple) else (outputs,)


def output_names(network: nn.Module, example: Tensor) -> list[str]:
    """Name what a network computes.

    Args:
        network: One with a ``classifier``.
        example: Inputs, ``(N, C, H, W)``.

    Returns:
        ``['scores']`` if the classifier has a head, else ``features_0`` and so on.
    """
    if getattr(network.classifier, 'with_head', False):
        return ['scores']
    with torch.no_grad():
        return [f'features_{i}' for i in range(len(network(example[:1])))]


def export_program(network: nn.Module, example: Tensor) -> 'ExportedProgram':
    """Export a network for any number of pictures.

    Args:
        network: The network, from one tensor to tensors.
        example: Inputs, of which the size of the pictures is kept, and not their number.

    Returns:
        The program.

    Raises:
        WrnError: If torch cannot export it.
    """
    # Of a single picture, torch would take the number to be fixed.
    example = example[:1].repeat(2, *[1] * (example.ndim - 1))
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(
                network, (example,), dynamic_shapes=({0: torch.export.Dim('batch')},)
            )
    except Exception as error:  # whatever a network does that torch does not follow
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WrnError(f'the network cannot be exported ({reason})') from error


def make_onnx(program: 'ExportedProgram', outputs: list[str]) -> 'ONNXProgram':
    """Turn a program into ONNX.

    Args:
        program: The program.
        outputs: The names of its outputs.

    Returns:
        What can be saved.

    Raises:
        WrnError: If it cannot be expressed in ONNX.
    """
    try:
        with quiet():
            exported = torch.onnx.export(
                program,
                input_names=[INPUT],
                output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim('batch')},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = (str(error).splitlines() or [''])[0]
        raise WrnError(f'the network cannot be expressed in ONNX ({reason})') from error
    assert exported is not None
    return exported


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep exporters from telling what they do: they log and warn of their own insides."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(level)
