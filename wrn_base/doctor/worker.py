"""Import packages, and try the accelerator and the backends: what may fail, hang or crash.

``python -m wrn_base.doctor.worker DONE...`` does the trials that are not named. Each is two lines
of JSON: before it, the section and the name; after it, the finding.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from wrn_base.doctor.finding import Finding
from wrn_base.errors import one_line
from wrn_base.import_errors import explain_import_error

_Trial: TypeAlias = Callable[[], Finding]

_MODULES = ('torch', 'torchvision', 'cv2', 'PIL.Image', 'mmengine', 'mmcv', 'mmpretrain', 'wrn')
_BACKENDS = 'wrn.inference.backend_trials'  # imported if wrn can be
_DRIVERS = ('/proc/driver/nvidia/version', '/dev/kfd')  # of NVIDIA and AMD
_SIZE = 64


def main() -> None:
    """Do the trials that the arguments do not name."""
    with os.fdopen(os.dup(1), 'w') as output:
        os.dup2(2, 1)  # what libraries print is not for the reader
        for section, name, trial in _trials():
            if name not in sys.argv[1:]:
                for line in (dict(section=section, name=name), None):
                    output.write(f'{json.dumps(line or asdict(trial()))}\n')
                    output.flush()


def _trials() -> Iterator[tuple[str, str, _Trial]]:
    for module in _MODULES:
        yield 'imports', module, partial(_try_import, module)
    if _can_import('torch'):
        yield 'backends', 'accelerator', _try_accelerator
    if _can_import('wrn'):
        backends: Any = importlib.import_module(_BACKENDS)
        for name in backends.NAMES:
            yield 'backends', name, partial(backends.try_backend, name)


def _can_import(module: str) -> bool:
    try:
        importlib.import_module(module)
    except Exception:  # of any kind, from the code of the package
        return False
    return True


def _try_import(module: str) -> Finding:
    start = time.perf_counter()
    try:
        importlib.import_module(module)
    except Exception as error:  # of any kind, from the code of the package
        problem, cure = explain_import_error(error)
        return Finding('imports', module, 'cannot be imported', 'broken', problem, cure)
    return Finding('imports', module, f'imported in {time.perf_counter() - start:.1f} s')


def _try_accelerator() -> Finding:
    import torch

    result = partial(Finding, 'backends', 'accelerator')
    cure = 'install a torch that fits the driver: https://pytorch.org/get-started/locally'
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        if problem := _explain_unused():
            return result('none', 'warning', problem, cure)
        return result('none, so the CPU computes')
    names = []
    for index in range(torch.accelerator.device_count()):
        device = torch.device(accelerator.type, index)
        try:
            right = torch.ones(_SIZE, _SIZE, device=device).sum().item() == _SIZE**2
            problem = '' if right else 'computes a wrong sum'
        except RuntimeError as error:
            problem = one_line(error)
        if problem:
            return result(str(device), 'broken', problem, f'{cure}, or use --device cpu')
        names.append(f'{device} {_describe(device)}'.strip())
    return result(', '.join(names))


def _describe(device: Any) -> str:
    import torch

    if device.type != 'cuda':
        return ''
    properties = torch.cuda.get_device_properties(device)
    free, total = (size / (1 << 30) for size in torch.cuda.mem_get_info(device))
    return f'{properties.name}, {free:.1f} of {total:.1f} GiB free'


def _explain_unused() -> str:
    """Return why torch does not use an accelerator that has a driver. Empty if there is none."""
    import torch

    if not any(Path(driver).exists() for driver in _DRIVERS):
        return ''
    if os.environ.get('CUDA_VISIBLE_DEVICES') == '':
        return ''  # hidden on purpose
    if torch.version.cuda is None and torch.version.hip is None:
        return 'there is a driver for a GPU, but torch is built for the CPU only'
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f'torch cannot use the GPU ({one_line(error)})'
    return 'there is a driver, but torch finds no GPU'


if __name__ == '__main__':
    main()
