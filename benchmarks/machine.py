"""Describe the machine and the packages that a benchmark ran with."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

INSTRUCTION_SETS = dict(avx512_vnni='VNNI', avx512_bf16='BF16', amx_tile='AMX')
PACKAGES = ('torch', 'torchvision', 'timm', 'mmpretrain', 'onnxruntime', 'openvino', 'nncf', 'ncnn')


def describe_machine() -> str:
    """Return the processor, its instruction sets, and the number of cores and threads in use."""
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    processor = next(line.partition(': ')[2] for line in lines if line.startswith('model name'))
    flags = next(line.split() for line in lines if line.startswith('flags'))
    supported = [torch.backends.cpu.get_cpu_capability()]
    supported += [name for flag, name in INSTRUCTION_SETS.items() if flag in flags]
    cores, threads = len(os.sched_getaffinity(0)), torch.get_num_threads()
    return f'{processor} ({", ".join(supported)}), {cores} cores, threads: {threads}'


def versions() -> dict[str, str]:
    """Return the versions of the compared packages that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
