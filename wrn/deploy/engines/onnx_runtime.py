"""ONNX Runtime, and TensorRT through its execution provider."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from wrn.deploy.engines.engine import Engine, EngineError
from wrn.deploy.engines.graph import INPUT, NetworkGraph

_FATAL_ONLY = 4  # it prints errors in color, and raises them, too


class OnnxRuntimeEngine(Engine):
    """The network in ONNX Runtime, on the CPU or an NVIDIA GPU."""

    name = 'onnxruntime'
    requires = ('onnx', 'onnxscript', 'onnxruntime')
    providers: tuple[str, ...] = ()  # required besides the device's own

    def __init__(self, graph: NetworkGraph, precision: str, calibration: Iterable[Tensor]) -> None:
        self.size = graph.example.shape[2:]
        self._load(str(graph.onnx), 'the network', graph.example.device, precision)

    @classmethod
    def from_bytes(cls, content: bytes, name: str, device: torch.device) -> 'OnnxRuntimeEngine':
        """Load a network from the content of an ``.onnx`` file.

        Args:
            content: The content.
            name: The file's name, for messages.
            device: The device to run on.

        Returns:
            The engine.

        Raises:
            EngineError: If ONNX Runtime cannot load it.
        """
        engine = cls.__new__(cls)
        engine._load(content, name, device, 'float32')
        return engine

    def _load(self, network: bytes | str, name: str, device: torch.device, precision: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        # Do not guess the format from the content.
        options.add_session_config_entry('session.load_model_format', 'ONNX')
        options.intra_op_num_threads = torch.get_num_threads()
        providers = self._providers(device, precision)
        try:
            self.session = onnxruntime.InferenceSession(network, options, providers)
        except Exception as error:  # its errors have no common base class
            reason = ' '.join(str(error).rpartition(' : ')[2].split()) or type(error).__name__
            raise EngineError(
                f'{name}: ONNX Runtime cannot load it ({reason[:300]}); update onnxruntime, or use '
                'another backend or format'
            ) from error
        self.device = device
        wanted = providers[0][0]
        if self.session.get_providers()[0] != wanted:  # it falls back silently
            raise EngineError(
                f'{name}: ONNX Runtime cannot load {wanted}; install the CUDA libraries that it '
                'needs'
            )

    def _providers(self, device: torch.device, precision: str) -> list[tuple[str, dict[str, Any]]]:
        if device.type == 'cuda':
            return [('CUDAExecutionProvider', dict(device_id=device.index or 0))]
        return [('CPUExecutionProvider', {})]

    @classmethod
    def missing(cls, device: torch.device) -> str | None:
        """Return which module or execution provider is missing; None if none is."""
        return super().missing(device) or cls.missing_provider(device)

    @classmethod
    def missing_provider(cls, device: torch.device) -> str | None:
        """Return which execution provider is missing for a device; None if none is."""
        if device.type == 'cpu' and not cls.providers:
            return None
        import onnxruntime

        needed = cls.providers or ('CUDAExecutionProvider',)
        if device.type != 'cuda':
            return f'runs on NVIDIA GPUs only, not on {device}; use another backend or device'
        if set(needed) <= set(onnxruntime.get_available_providers()):
            return None
        return (
            f'the installed onnxruntime has no {" and ".join(needed)}; pip install '
            'onnxruntime-gpu instead'
        )

    def run(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        outputs = self.session.run(None, {INPUT: inputs.contiguous().cpu().numpy()})
        return tuple(torch.from_numpy(output).to(self.device) for output in outputs)


class TensorRTEngine(OnnxRuntimeEngine):
    """The network in TensorRT, through ONNX Runtime's execution provider."""

    name = 'tensorrt'
    precisions = ('float32', 'float16')
    providers = ('TensorrtExecutionProvider',)

    def _providers(self, device: torch.device, precision: str) -> list[tuple[str, dict[str, Any]]]:
        options = dict(device_id=device.index or 0, trt_fp16_enable=precision == 'float16')
        return [('TensorrtExecutionProvider', options), *super()._providers(device, precision)]
