"""Our models replace those of mmpretrain, whichever package is imported or used first.

Each order runs in a process of its own.
"""

import pytest

pytestmark = pytest.mark.ci
CHECK = """
import mmpretrain, wrn
from mmpretrain.apis.model import ModelHub
from wrn import WideResNet
from wrn_base import model_index
name = 'wide-resnet50_3rdparty_8xb32_in1k'
for _ in range(2):
    model = mmpretrain.get_model(name)
    assert type(model.backbone) is WideResNet
    assert model._config.filename.startswith(str(model_index.root())), model._config.filename
    names = mmpretrain.list_models()
    assert set(model_index.models()) <= set(names) and len(names) == len(set(names)) > 500
    assert mmpretrain.list_models('wide-resnet*', task='Image Classification') == sorted(model_index.models())
    assert ModelHub.has(name)
    assert type(mmpretrain.get_model('resnet18_8xb32_in1k').backbone).__name__ == 'ResNet'
    assert type(wrn.get_model(name).backbone) is WideResNet
print('all checks passed')
"""
ORDERS = {
    'ours first': 'import wrn',
    'theirs first': 'import mmpretrain',
    'theirs used first': "import mmpretrain; mmpretrain.list_models('x')",
    'theirs built the model first': (
        "import mmpretrain; m = mmpretrain.get_model('wide-resnet50_3rdparty_8xb32_in1k');"
        "assert type(m.backbone).__name__ == 'ResNet'"
    ),
    'ours used first': "import wrn; wrn.get_model('wide-resnet16-2_1xb64_digits', True)",
    'reloaded': (
        'import importlib, wrn, wrn.utils.compat.model_hub as hub;'
        'importlib.reload(hub); importlib.reload(wrn)'
    ),
}


@pytest.mark.parametrize('first', ORDERS.values(), ids=ORDERS.keys())
def test_every_order(run, first, tmp_path):
    assert 'all checks passed' in run('python', '-c', first + CHECK, cwd=tmp_path).stdout


def test_our_models_do_not_read_mmpretrains_index(run, checkout):
    code = f"""
import wrn
from mmpretrain.apis.model import ModelHub
wrn.get_model('wide-resnet16-2_1xb64_digits', pretrained=True)
assert wrn.inference_model('wide-resnet16-2_1xb64_digits', {str(checkout / 'demo')!r})
assert not ModelHub._models_dict, len(ModelHub._models_dict)
"""
    run('python', '-c', code)


def test_mmpretrains_inference_model(run, checkout):
    code = f"""
import mmpretrain, wrn
result = mmpretrain.inference_model('wide-resnet16-2_1xb64_digits', {str(checkout / 'demo/digit_7.png')!r})
assert result['pred_class'] == '7', result
result = mmpretrain.inference_model(wrn.get_model('wide-resnet16-2_1xb64_digits', True), {str(checkout / 'demo/digit_3.png')!r})
assert result['pred_class'] == '3', result
"""
    run('python', '-c', code)


def test_importing_leaves_the_process_unchanged(run):
    code = """
import gc, sys
import wrn
assert gc.isenabled()
assert gc.get_freeze_count() == 0
assert 'torch._dynamo' not in sys.modules
import torch, torchvision
boxes = [torch.tensor([[0.0, 0, 4, 4]])]
image = torch.rand(1, 3, 8, 8)
eager = torchvision.ops.roi_align(image, boxes, 2)
torch.use_deterministic_algorithms(True)  # now roi_align checks whether it can compile
torch.testing.assert_close(torchvision.ops.roi_align(image, boxes, 2), eager)
assert torch.compile(lambda x: 2 * x, backend='eager')(torch.ones(1)) == 2
"""
    assert 'MultiScaleDeformableAttention' not in run('python', '-c', code).stderr


def test_mmcv_still_warns_without_this_package(run):
    result = run('python', '-c', 'import mmpretrain.models')
    assert 'MultiScaleDeformableAttention' in result.stderr


def test_a_disabled_garbage_collector_stays_disabled(run):
    code = """
import gc
gc.disable()
gc.freeze()
import wrn
assert not gc.isenabled()
assert gc.get_freeze_count() > 0
"""
    run('python', '-c', code)


def test_an_imported_compiler_is_kept(run):
    run(
        'python',
        '-c',
        'import torchvision, torch._dynamo.utils as u, wrn, sys; assert sys.modules["torch._dynamo.utils"] is u',
    )
