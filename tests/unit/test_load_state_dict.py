"""A state dict is loaded into a model that it fits, and refused for any other."""

import pytest
import torch
from mmpretrain.models import AverageClsScoreTTA

import wrn
from wrn.checkpoints import assign_state_dict, check_state_dict, set_normalization
from wrn_base.errors import CheckpointError

CONFIG = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'


@pytest.fixture(scope='module')
def model():
    return wrn.get_model(CONFIG)


@pytest.fixture
def state_dict(model):
    return dict(model.state_dict())


def test_fitting_state_dict(model, state_dict):
    assert check_state_dict(model, state_dict, 'w.pth')
    assert check_state_dict(torch.nn.parallel.DataParallel(model), state_dict, 'w.pth')


def test_model_with_test_time_augmentation(model, state_dict):
    assert check_state_dict(AverageClsScoreTTA(module=model), state_dict, 'w.pth')


def test_weights_without_batch_counters(model, state_dict):
    old = {k: v for k, v in state_dict.items() if 'num_batches_tracked' not in k}
    assert check_state_dict(model, old, 'w.pth')
    assign_state_dict(model, old)


def test_weights_of_another_model(model, state_dict):
    deeper = wrn.get_model('configs/wrn/wide-resnet50_8xb32_in1k.py').state_dict()
    with pytest.raises(CheckpointError) as error:
        check_state_dict(model, deeper, 'w.pth')
    message = str(error.value)
    assert message.startswith('w.pth: the weights do not fit the model: ')
    assert 'unexpected backbone.' in message
    assert 'backbone.conv1.weight has shape (64, 3, 7, 7), but the model has' in message


def test_missing_weight(model, state_dict):
    del state_dict['backbone.layer1.0.conv1.weight']
    with pytest.raises(CheckpointError, match=r'missing backbone\.layer1\.0\.conv1\.weight'):
        check_state_dict(model, state_dict, 'w.pth')


def test_head_with_other_classes(model, state_dict):
    state_dict['head.fc.weight'] = torch.zeros(1000, 96)
    with pytest.raises(CheckpointError, match=r'head\.fc\.weight has shape \(1000, 96\)'):
        check_state_dict(model, state_dict, 'w.pth')
    assert not check_state_dict(model, state_dict, 'w.pth', new_head=True)


@pytest.mark.parametrize('missing', ['head.fc.weight', 'head.fc.bias'])
def test_head_with_a_missing_weight_is_damaged(model, state_dict, missing):
    del state_dict[missing]
    with pytest.raises(CheckpointError, match=rf'missing {missing}'):
        check_state_dict(model, state_dict, 'w.pth', new_head=True)


def test_weights_are_converted_to_the_precision_of_the_model(model, state_dict):
    half = {k: v.half() if v.is_floating_point() else v for k, v in state_dict.items()}
    assign_state_dict(model, half)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    key = 'backbone.conv1.weight'
    assert torch.equal(model.state_dict()[key], half[key].float())


@pytest.mark.parametrize('change', [torch.Tensor.int, torch.Tensor.cfloat, torch.Tensor.to_sparse])
def test_weights_that_are_not_dense_floats(model, state_dict, change):
    """Quantized or pruned weights mean something else."""
    state_dict['head.fc.weight'] = change(state_dict['head.fc.weight'])
    with pytest.raises(
        CheckpointError, match=r'^w\.pth: not dense floating-point tensors: head\.fc\.weight'
    ):
        check_state_dict(model, state_dict, 'w.pth')


def test_normalization(model):
    """The result is that of mmpretrain's preprocessor with the same mean and std."""
    changed, reference = (
        wrn.get_model(CONFIG),
        wrn.get_model(CONFIG, data_preprocessor=dict(mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0])),
    )
    set_normalization(torch.nn.parallel.DataParallel(changed), [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    images = dict(inputs=torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8))
    ours, theirs = (m.data_preprocessor(images)['inputs'] for m in (changed, reference))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert changed.state_dict().keys() == model.state_dict().keys()
