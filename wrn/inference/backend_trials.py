"""Run the embedded network in each backend, and compare what it computes."""

import copy
import time
from functools import partial

import torch
from mmengine.device import get_device
from mmengine.model import BaseModel
from torch import Tensor

from wrn.data.images import Preprocessing
from wrn.deploy.classifier import get_own_config
from wrn.deploy.engines import BACKENDS, Difference, build_engine, find_missing
from wrn.deploy.engines.verify import check, compare, find_tolerance
from wrn.zoo.factory import get_model
from wrn_base.doctor.finding import Finding
from wrn_base.errors import WrnError

NAMES = tuple(name for name in BACKENDS if name != 'auto')
_MODEL = 'wide-resnet16-2_1xb64_digits'
_IMAGES = 2


def try_backend(name: str) -> Finding:
    """Run the embedded network in a backend: on the accelerator if it can, else on the CPU.

    Args:
        name: One of :data:`NAMES`.

    Returns:
        What was found: a backend that needs what is not installed is absent, and one whose outputs
        differ from eager's is broken. Eager itself is compared with the network in float64 on the
        CPU.
    """
    result = partial(Finding, 'backends', name)
    device = torch.device(get_device())
    if find_missing(name, device):
        device = torch.device('cpu')
    if missing := find_missing(name, device):
        problem, _, cure = missing.partition('; ')
        return result(problem, 'absent', problem, cure)
    start = time.perf_counter()
    try:
        network = get_model(_MODEL, True, device)
        inputs = Preprocessing(get_own_config(network)).example(_IMAGES)
        inputs = network.data_preprocessor(dict(inputs=inputs))['inputs']
        if name == 'eager':
            difference = _compare_precisions(network, inputs)
        else:
            difference = build_engine(network, inputs, name).difference
    except WrnError as error:
        problem, _, cure = str(error).rpartition('; ')
        return result('fails', 'broken', problem, cure)
    seconds = time.perf_counter() - start
    return result(f'right to {difference.maximum:.0e} on {device}, ready in {seconds:.1f} s')


def _compare_precisions(network: BaseModel, inputs: Tensor) -> Difference:
    """Compare the network with itself in float64 on the CPU."""
    double = copy.deepcopy(network).cpu().double()
    tolerance = find_tolerance('float32', inputs.device)

    def expected(batch: Tensor) -> tuple[Tensor, ...]:
        return (double(batch.cpu().double()).float().to(batch.device),)

    difference = compare(lambda batch: (network(batch),), expected, inputs, undecided=tolerance)
    check(difference, 'backend eager', 'float32', tolerance)
    return difference
