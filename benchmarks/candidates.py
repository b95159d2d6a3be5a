"""The networks that engines.py and engine_start.py compare, built from files of weights.

Packages are imported where they are needed, so a process imports only those of its network.
"""

import functools
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tasks import MODELS, ROOT, Task, plain_network
from torch import Tensor, nn

Network = Callable[[Tensor], Tensor]  # from images (N, 3, H, W) to scores (N, classes)


class Candidate(NamedTuple):
    """A network in a runtime.

    Attributes:
        name: Its name in tables.
        kind: ``ours``; ``eager`` or ``compiled``, the baselines; or ``other``.
        build: Builds the network of a task.
        precision: The precision that it computes in. Defaults to ``'float32'``.
        tuned: Whether it is built for one batch size. Defaults to False.
    """

    name: str
    kind: str
    build: Callable[[Task], Network]
    precision: str = 'float32'
    tuned: bool = False


def timm_network(task: Task) -> nn.Module:
    import timm

    return timm.create_model('wide_resnet50_2')


def build_ours(task: Task, backend: str = 'eager', precision: str = 'float32') -> Network:
    import wrn

    return without_gradients(
        wrn.get_model(
            ROOT / MODELS[task.model].config,
            task.openmmlab,
            backend=backend,
            precision=precision,
            batch_size=task.batch_size,
            calibration=task.calibration if precision == 'int8' else None,
        )
    )


def mmpretrain_network(task: Task) -> nn.Module:
    import mmpretrain

    # By the path of its config, since the name means our model where wrn is imported.
    configs = Path(mmpretrain.__file__).parent / '.mim' / 'configs'
    return mmpretrain.get_model(configs / 'wrn' / 'wide-resnet50_8xb32_in1k.py')


def load(task: Task, make: Callable[[Task], nn.Module] = plain_network) -> nn.Module:
    network = make(task)
    weights = torch.load(task.openmmlab if make is mmpretrain_network else task.weights)
    network.load_state_dict(weights.get('state_dict', weights))
    return network.eval()


def build_torch(
    task: Task,
    make: Callable[[Task], nn.Module] = plain_network,
    order: torch.memory_format = torch.contiguous_format,
    compiled: bool = False,
) -> Network:
    network = load(task, make).to(memory_format=order)
    run = without_gradients(lambda inputs: network(inputs.contiguous(memory_format=order)))
    if compiled:
        from torch._inductor import config

        network.compile(dynamic=False)
        with config.patch(freezing=True):  # the fastest on CPUs
            run(task.inputs())
    return run


def without_gradients(network: Network) -> Network:
    def run(inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            return network(inputs)

    return run


def build_onnxruntime(task: Task) -> Network:
    """Build an ONNX Runtime session from torch's export."""
    import onnxruntime

    path = task.folder / 'plain.onnx'
    # With one image, torch would make the batch size static.
    example = task._replace(batch_size=2).inputs()
    names, sizes = ['x'], ({0: torch.export.Dim('batch')},)
    torch.onnx.export(
        load(task), (example,), path, input_names=names, dynamic_shapes=sizes, verbose=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])
    return lambda inputs: torch.from_numpy(session.run(None, {'x': inputs.numpy()})[0])


def build_openvino(task: Task, **hints: str) -> Network:
    """Build the network that OpenVINO converts from torch."""
    import openvino

    inputs = task.inputs()
    shape = [-1, *inputs.shape[1:]]
    converted = openvino.convert_model(load(task), input=shape, example_input=inputs)
    settings: dict[str, Any] = dict(hints, INFERENCE_NUM_THREADS=torch.get_num_threads())
    network = openvino.compile_model(converted, 'CPU', settings)
    return lambda inputs: torch.from_numpy(network(inputs.numpy())[0])


def candidates(model: str, patterns: list[str]) -> list[Candidate]:
    """Return the networks of a model that match a pattern by name."""
    plain = 'torchvision' if model == 'wide-resnet50' else 'plain torch'
    found = [
        *ours('eager', 'fused'),
        *ours('onnxruntime', 'openvino'),
        *ours('compile', 'ncnn', 'auto', tuned=True),
        *ours('openvino', precision='bfloat16'),
        *ours('openvino', precision='int8'),
        *torch_candidates(plain, plain_network),
    ]
    if model == 'wide-resnet50':
        found += torch_candidates('timm', timm_network)
        found += torch_candidates('mmpretrain', mmpretrain_network)
    f32 = functools.partial(build_openvino, INFERENCE_PRECISION_HINT='f32')
    found += [
        Candidate(f'{plain}, ONNX Runtime', 'compiled', build_onnxruntime),
        Candidate(f'{plain}, OpenVINO', 'compiled', f32),
        # It uses bfloat16 on CPUs that support it.
        Candidate(f'{plain}, OpenVINO by default', 'other', build_openvino, 'bfloat16'),
    ]
    return [c for c in found if any(fnmatch(c.name, pattern) for pattern in patterns)]


def ours(*backends: str, precision: str = 'float32', tuned: bool = False) -> list[Candidate]:
    suffix = '' if precision == 'float32' else f' {precision}'
    return [
        Candidate(
            f'ours, {backend}{suffix}',
            'ours',
            functools.partial(build_ours, backend=backend, precision=precision),
            precision,
            tuned,
        )
        for backend in backends
    ]


def torch_candidates(name: str, make: Callable[[Task], nn.Module]) -> list[Candidate]:
    last = functools.partial(build_torch, make=make, order=torch.channels_last)
    return [
        Candidate(f'{name}, eager', 'eager', functools.partial(build_torch, make=make)),
        Candidate(f'{name}, channels_last', 'eager', last),
        Candidate(
            f'{name}, compiled', 'compiled', functools.partial(last, compiled=True), tuned=True
        ),
    ]
