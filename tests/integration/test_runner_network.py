"""`wrn test`, `train` and `finetune` build the network that get_model builds for a file."""

import pickle
from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS

import wrn
from wrn.checkpoints.formats import TARGETS
from wrn_base.cli import main

DIGITS = 'wide-resnet16-2_1xb64_digits'
QUICK = ('--cfg-options', 'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0')


@pytest.fixture
def write(randomize, tmp_path, monkeypatch):
    """Return a function that writes a file in a format, with random weights."""
    monkeypatch.chdir(tmp_path)

    def write(target, **backbone):
        network = randomize(wrn.get_model(DIGITS, backbone=backbone))
        network.head.fc.weight.data.mul_(50)  # or the scores would be almost equal
        weights = TARGETS[target].format.from_openmmlab(network.state_dict())
        torch.save(weights, tmp_path / 'theirs.pth')

    return write


@pytest.mark.parametrize(
    ('target', 'bias'),
    [('deepmind', False), ('meliketoy', False), ('meliketoy', True), ('usb', True)],
)
def test_scores_of_test_are_those_of_get_model(write, target, bias):
    """Another activation, padding, order, stride, epsilon or normalization, and biases."""
    write(target, conv_bias=bias)
    options = ('--work-dir', 'run', '--cfg-options', 'test_dataloader.num_workers=0')
    main(['test', DIGITS, 'theirs.pth', '--out', 'x.pkl', *options])
    records = pickle.loads(Path('x.pkl').read_bytes())[:20]
    found = torch.stack([record['pred_score'] for record in records])
    model = wrn.get_model(DIGITS, 'theirs.pth')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(model._config.test_dataloader.dataset)
    samples = model.test_step(pseudo_collate([dataset[i] for i in range(20)]))
    expected = torch.stack([sample.pred_score for sample in samples])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert expected.std(0).max() > 1e-3  # or other networks would agree


@pytest.mark.ci
def test_a_run_is_resumed_with_the_network_that_it_began_with(write):
    write('deepmind')
    main(
        [
            'train',
            DIGITS,
            '--work-dir',
            'run',
            *QUICK,
            'load_from=theirs.pth',
            'train_cfg.max_epochs=1',
        ]
    )
    main(['train', DIGITS, '--work-dir', 'run', '--resume', *QUICK, 'train_cfg.max_epochs=2'])
    trained = wrn.get_model('run/epoch_2.pth', pretrained=True)
    assert trained._config.model.backbone.act_cfg.type == 'SiLU'
    assert trained._config.data_preprocessor.mean == pytest.approx([125.307, 122.961, 113.8575])


@pytest.mark.parametrize(
    ('target', 'owner', 'prefix'),
    [
        ('openmmlab', 'model', None),
        ('openmmlab', 'model.backbone', 'backbone'),
        ('xternalz', 'model', None),
        ('xternalz', 'model.backbone', None),
    ],
)
def test_first_weights_by_init_cfg(write, target, owner, prefix):
    """A backbone takes the weights of the backbone in any format."""
    write(target)
    init = [f'{owner}.init_cfg.type=Pretrained', f'{owner}.init_cfg.checkpoint=theirs.pth']
    init += [f'{owner}.init_cfg.prefix={prefix}'] if prefix else []
    still = ['optim_wrapper.optimizer.lr=0.0', 'optim_wrapper.optimizer.weight_decay=0.0']
    still += ['train_cfg.max_epochs=1']
    main(['train', DIGITS, '--work-dir', 'run', *QUICK, *init, *still])
    found = torch.load('run/epoch_1.pth', weights_only=False)['state_dict']
    expected = wrn.get_model(DIGITS, 'theirs.pth').state_dict()
    for key in ('backbone.layer1.0.conv1.weight', 'backbone.layer3.1.norm2.weight'):
        assert torch.equal(found[key], expected[key])


def test_first_weights_that_fit_in_part_are_said(run, tmp_path):
    backbone = wrn.get_model(DIGITS, pretrained=True).backbone.state_dict()
    torch.save({f'backbone.{key}': value for key, value in backbone.items()}, tmp_path / 'a.pth')
    init = ['model.init_cfg.type=Pretrained', f'model.init_cfg.checkpoint={tmp_path}/a.pth']
    init += ['train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=64']
    result = run('wrn', 'train', DIGITS, '--work-dir', 'run', *QUICK, *init, cwd=tmp_path)
    assert (
        f'wrn: {tmp_path}/a.pth: loads 81 tensors into ImageClassifier; new: head.fc'
        in result.stderr
    )


def test_first_weights_of_an_unknown_format_by_init_cfg(fails, tmp_path):
    torch.save({'a.weight': torch.ones(3)}, tmp_path / 'a.pth')
    init = ['model.init_cfg.type=Pretrained', f'model.init_cfg.checkpoint={tmp_path}/a.pth']
    error = fails('train', DIGITS, '--work-dir', tmp_path / 'run', *QUICK, *init)
    assert 'a.pth: not the weights of the ImageClassifier with this init_cfg: the keys of' in error


def test_the_log_of_a_run_has_no_password(server, digits_weights, tmp_path, monkeypatch):
    """Of the config, of what it loads, and of mmengine's own lines."""
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    (server.folder / 'w.safetensors').write_bytes(Path(digits_weights).read_bytes())
    address = server.url('w.safetensors').replace('://', '://user:s3cret@')
    options = dict(load_from=address)
    wrn.train(DIGITS, epochs=1, work_dir=str(tmp_path / 'run'), cfg_options=options)
    (log,) = tmp_path.glob('run/*/*.log')
    assert log.read_text().count('http://***@') == 2
    assert 's3cret' not in log.read_text()
