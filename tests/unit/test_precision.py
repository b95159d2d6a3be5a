"""``--amp`` chooses a precision that the device supports."""

import pytest
import torch
from commands import make_config

from wrn.training import run_device

MODERN = 'wide-resnet28-10_8xb16-modern-200e_cifar10'  # its config already uses bfloat16


@pytest.fixture
def wrapper(tmp_path):
    def read(name='wide-resnet16-2_1xb64_digits', *settings):
        words = ['train', name, '--amp', '--work-dir', str(tmp_path)]
        words += ['--cfg-options', *settings] if settings else []
        return make_config(*words).optim_wrapper

    return read


def test_the_cpu_and_new_gpus_use_bfloat16(wrapper, monkeypatch):
    for device, supported in (('cpu', False), ('cuda', True)):
        monkeypatch.setattr(run_device, 'get_device', lambda device=device: device)
        monkeypatch.setattr(torch.cuda, 'is_available', lambda supported=supported: supported)
        monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda including_emulation: True)
        assert wrapper().type == 'BFloat16OptimWrapper'
        scaled = wrapper(MODERN, 'optim_wrapper.loss_scale=512')
        assert scaled.type == 'BFloat16OptimWrapper'
        assert 'loss_scale' not in scaled


def test_old_gpus_use_float16_with_loss_scaling(wrapper, monkeypatch):
    monkeypatch.setattr(run_device, 'get_device', lambda: 'cuda')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda including_emulation: False)
    assert wrapper().type == 'AmpOptimWrapper'
    assert wrapper().loss_scale == 'dynamic'
    assert wrapper(MODERN, 'optim_wrapper.loss_scale=512').loss_scale == 512
