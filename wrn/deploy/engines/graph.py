"""Export the network that an engine is built from."""

import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from wrn.models.folding import fold_batch_norm
from wrn.utils.quiet import quiet
from wrn_base.errors import WrnError, one_line

if TYPE_CHECKING:  # at run time this would import half of torch's compiler
    from torch.export import ExportedProgram
    from torch.onnx import ONNXProgram

INPUT = 'input'


class NetworkGraph:
    """A classifier, and the forms of it that engines are built from.

    Args:
        classifier: The classifier, in eval mode.
        example: Example inputs, ``(N, C, H, W)``. N is the batch size that engines are tuned for.
    """

    def __init__(self, classifier: nn.Module, example: Tensor) -> None:
        self.network = TensorsOnly(classifier)
        self.example = example

    @cached_property
    def program(self) -> 'ExportedProgram':
        """The network with folded batch norms, exported for any batch size."""
        return export_program(TensorsOnly(fold_batch_norm(self.network.classifier)), self.example)

    @cached_property
    def outputs(self) -> list[str]:
        """The names of the outputs: ``logits`` with a head, else ``features_0`` and so on."""
        if getattr(self.network.classifier, 'with_head', False):
            return ['logits']
        with torch.no_grad():
            return [f'features_{i}' for i in range(len(self.network(self.example[:1])))]

    @cached_property
    def onnx(self) -> Path:
        """The path of the program in ONNX. The file is deleted with this object."""
        folder = tempfile.mkdtemp(prefix='wrn-')
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder, 'network.onnx')
        export_onnx(self.program, self.outputs).save(path)
        return path


class TensorsOnly(nn.Module):
    """A classifier with tensors as its only inputs and outputs, as exporters need it.

    Args:
        classifier: One of mmpretrain's classifiers.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier
        self.train(classifier.training)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the logits, or the features if the classifier has no head.

        Args:
            inputs: Normalized images, ``(N, C, H, W)``.

        Returns:
            The logits ``(N, num_classes)`` as the only output, or the features of each of the
            ``out_indices``.
        """
        outputs = self.classifier(inputs, mode='tensor')
        return outputs if isinstance(outputs, tuple) else (outputs,)


def export_program(network: nn.Module, example: Tensor) -> 'ExportedProgram':
    """Export a network for any batch size.

    Args:
        network: The network, from one tensor to one or more.
        example: Example inputs, ``(N, ...)``. All dimensions but N become fixed.

    Returns:
        The exported program.

    Raises:
        WrnError: If torch cannot export the network.
    """
    # torch would make a batch size of 1 a constant.
    example = example[:1].repeat(2, *[1] * (example.ndim - 1))
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(
                network, (example,), dynamic_shapes=({0: torch.export.Dim('batch')},)
            )
    except Exception as error:  # tracing runs the network's code, which can raise anything
        raise WrnError(
            f'the network cannot be exported ({one_line(error)}); use another backend or format'
        ) from error


def export_onnx(program: 'ExportedProgram', outputs: list[str]) -> 'ONNXProgram':
    """Convert an exported program to ONNX.

    Args:
        program: The program.
        outputs: The names of its outputs.

    Returns:
        The ONNX program.

    Raises:
        WrnError: If ONNX has no equivalent of an operator.
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
        raise WrnError(
            f'the network cannot be expressed in ONNX ({one_line(error)}); use another backend or '
            'format'
        ) from error
    assert exported is not None  # for mypy: only a failed export returns None
    return exported
