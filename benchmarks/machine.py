"""What a benchmark ran on, in words."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

SETS = dict(avx512_vnni='VNNI', avx512_bf16='BF16', amx_tile='AMX')
PACKAGES = ('torch', 'torchvision', 'timm', 'mmpretrain', 'onnxruntime', 'openvino', 'nncf', 'ncnn')


def describe_machine() -> str:
    """Tell the processor, and of how many cores and threads use is made."""
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    processor = next(line.partition(': ')[2] for line in lines if line.startswith('model name'))
    flags = next(line.split() for line in lines if line.startswith('flags'))
    able = [torch.backends.cpu.get_cpu_capability()]
    able += [name for flag, name in SETS.items() if flag in flags]
    cores, threads = len(os.sched_getaffinity(0)), torch.get_num_threads()
    return f'{processor} ({", ".join(able)}), {cores} cores, threads: {threads}'


def versions() -> dict[str, str]:
    """Return the versions of what is compared, as far as it is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
