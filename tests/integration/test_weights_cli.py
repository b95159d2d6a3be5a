"""`wrn info`, `wrn convert` and `wrn publish`: what they print and write."""

import contextlib
import re
import resource
from pathlib import Path

import pytest
import torch
import torchvision
from mmengine.config import Config

import wrn
from wrn.checkpoints import read_checkpoint, to_openmmlab
from wrn.checkpoints.tensor_hash import KEY
from wrn.config.config_file import parse_config
from wrn.utils.files import hash_file
from wrn_base import model_index
from wrn_base.cli import main
from wrn_base.errors import CheckpointError

DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('WRN_DEBUG', raising=False)
    return tmp_path


@pytest.mark.parametrize('name', model_index.models())
def test_info(capsys, name):
    main(['info', name])
    out, entry = capsys.readouterr().out, model_index.models()[name]
    known = [entry.name, f'{entry.metadata.data["Parameters"]:,}', *model_index.urls(entry)]
    known += model_index.aliases(entry)
    for result in entry.results:
        figures = (result.metrics or {}).values()
        known += [f'{value:.2f} % on {result.dataset}' for value in figures]
    if entry.weights:
        known.append(entry.data['License'])
    for text in known:
        assert re.search(rf'(^|\s){re.escape(text)}(\s|$)', out, re.MULTILINE), text


def test_info_prints_the_preprocessing(capsys):
    main(['info', 'timm/wide_resnet50_2.tv2_in1k'])
    assert 'short edge to 232 (bilinear, pillow), center 224x224' in capsys.readouterr().out


def test_info_of_an_unknown_model(fails):
    assert "did you mean 'wide-resnet50'" in fails('info', 'wide-resnet5')


def test_list_finds_names_of_other_libraries(capsys):
    main(['list', 'timm/*racm*'])
    _, *lines = filter(None, capsys.readouterr().out.splitlines())
    assert [line.split()[0] for line in lines] == ['wide-resnet50_3rdparty-timm_8xb32_in1k']
    main(['list', 'wide-resnet50'])
    assert re.search(r' wide-resnet50 +68\.9 M +- +none', capsys.readouterr().out)


@pytest.fixture
def theirs():
    """A checkpoint like those of torchvision's training script."""
    weights = torchvision.models.resnet18(num_classes=7).state_dict()
    average = {f'module.{key}': value for key, value in weights.items()}
    checkpoint = dict(
        model=weights,
        optimizer=dict(state={0: dict(momentum_buffer=torch.ones(2))}, param_groups=[]),
        epoch=3,
        model_ema={'n_averaged': torch.tensor(3), **average},
    )
    torch.save(checkpoint, 'theirs.pth')
    return weights


def test_convert_reports_what_it_does(theirs, capsys, folder):
    main(['convert', 'theirs.pth', 'mine', '--license', 'MIT', '--source', 'https://x.org'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:9] == [
        "read theirs.pth: torchvision's and timm's format, depth 18, widen factor 1, 7 classes, "
        'float32',
        'key of the weights: model',
        'left out: optimizer, epoch, model_ema',
        'assumed: the weights under model, not those under model_ema',
        'assumed: the activation ReLU, the norm BN(eps=1e-05), the stride in the 3x3 convolutions '
        '(as in torchvision and timm)',
        'assumed: the mean 123.675, 116.28, 103.53 and the std 58.395, 57.12, 57.375 for pixels '
        'from 0 to 255',
        'assumed: the image size and the dataset of configs/wrn/wide-resnet50_8xb32_in1k.py',
        'checked: 122 tensors, no missing or unexpected keys',
        'checked: converting back gives the same weights, bit for bit',
    ]
    (written,) = folder.glob('mine-*.safetensors')
    assert lines[9].startswith(f'wrote {written.name}: 122 tensors, ')
    assert lines[10].removeprefix('SHA-256 of the file: ') == hash_file(written)
    assert lines[11] == 'metadata in the file: source, license, assumed, cfg'
    meta = read_checkpoint(written)['meta']
    assert (meta['source'], meta['license']) == ('https://x.org', 'MIT')


def test_convert_and_predict(theirs, capsys, photograph, folder):
    """Predictions are the same with the original file and the converted one."""
    main(['convert', 'theirs.pth', 'mine.pth', '--key', 'model_ema'])
    assert 'left out: model, optimizer, epoch, n_averaged' in capsys.readouterr().out
    (converted,) = folder.glob('mine-*.pth')
    meta = read_checkpoint(converted)['meta']
    config = parse_config(meta['cfg'])
    config.dump('mine.py')
    for checkpoint in ('theirs.pth', converted.name):
        main(['predict', str(photograph), '--model', 'mine.py', '--checkpoint', checkpoint])
    first, second = re.split(r'(?= image )', capsys.readouterr().out)[1:]
    assert first == second


def test_errors_of_convert(fails, theirs, folder):
    torch.save({**theirs, 'conv1.weight_g': torch.ones(1)}, 'factors.pth')
    torch.save({'encoder.weight': torch.ones(1)}, 'other.pth')
    torch.save({k: v for k, v in theirs.items() if k != 'layer2.0.bn1.bias'}, 'less.pth')
    torch.save({**theirs, 'layer2.0.se.weight': torch.ones(1)}, 'more.pth')
    before = sorted(folder.iterdir())
    for arguments, message in (
        (['none.pth'], 'none.pth: the checkpoint does not exist'),
        (
            ['factors.pth'],
            'factors.pth: unsupported network: its weights are stored as the factors of weight',
        ),
        (['other.pth'], 'other.pth: the format of the keys is unknown (encoder.weight)'),
        (['less.pth'], 'missing backbone.layer2.0.bn1.bias'),
        (['more.pth'], 'unexpected backbone.layer2.0.se.weight'),
        (
            ['theirs.pth', '--key', 'ema'],
            "no weights under the key 'ema'; give one of these keys: model, model_ema",
        ),
        (['theirs.pth', '--config', 'none'], "unknown model 'none'"),
        (
            ['theirs.pth', 'a/b.pth'],
            "'a/b.pth': not a file name; give the folder with --folder",
        ),
        (['theirs.pth', '--folder', 'less.pth'], 'less.pth: cannot be written ('),
        (['theirs.pth', 'x.safetensors', '--to', 'openmmlab-0.x'], 'mmcls 0.x reads .pth only'),
    ):
        assert message in fails('convert', *arguments)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_full_disk(fails, theirs, folder, suffix):
    """No partial file is left."""
    before = sorted(folder.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        error = fails('convert', 'theirs.pth', f'mine{suffix}')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r'cannot be written \(.*File too large', error)
    assert sorted(folder.iterdir()) == before


def test_info_of_a_network_with_other_parts(theirs, capsys, folder):
    torch.save({**theirs, 'layer2.0.se.weight': torch.ones(1)}, 'more.pth')
    main(['info', 'more.pth'])
    printed = capsys.readouterr().out
    assert re.search(r'problem +more.pth: .*unexpected backbone\.layer2\.0\.se\.weight', printed)


@pytest.mark.parametrize('kept', [[], [dict(type='Kaiming', layer='Conv2d')]])
def test_publish(capsys, folder, kept):
    config = Config.fromfile(model_index.models()[DIGITS].config)
    config.work_dir, config.load_from = '/home/somebody/run', '/home/somebody/w.pth'
    init_cfg = dict(type='Pretrained', checkpoint='/home/somebody/w.pth')
    config.model.backbone.init_cfg = [*kept, init_cfg] if kept else init_cfg
    path = 'mmengine.model.weight_init.PretrainedInit'
    config.model.head.init_cfg = dict(init_cfg, type=path, prefix='head.')
    model = wrn.get_model(DIGITS, pretrained=True)
    meta = dict(
        cfg=config.pretty_text,
        dataset_meta=dict(classes=tuple('abcdefghij')),
        experiment_name='digits_20260101_123456',
        epoch=40,
    )
    average = {f'module.{key}': value + 1 for key, value in model.state_dict().items()}
    checkpoint = dict(meta=meta, state_dict=model.state_dict(), ema_state_dict=average)
    torch.save({**checkpoint, 'optimizer': {}}, 'epoch_40.pth')
    for suffix in ('.pth', '.safetensors'):
        main(['publish', 'epoch_40.pth', f'mine{suffix}', '--license', 'Apache-2.0'])
        out = capsys.readouterr().out
        assert 'left out: ema_state_dict, optimizer\n' in out
        assert 'left out of the metadata: epoch, experiment_name\n' in out
        (path,) = folder.glob(f'mine-*{suffix}')
        published = read_checkpoint(path)
        assert published.keys() == {'state_dict', 'meta'}
        meta = published['meta']
        assert meta.keys() == {'source', 'license', 'dataset_meta', 'cfg', KEY}
        assert meta['source'] == 'trained as digits'
        assert 'somebody' not in meta['cfg']
        loaded = wrn.get_model(parse_config(meta['cfg']), pretrained=path)
        assert torch.equal(loaded.head.fc.weight, model.head.fc.weight)
        assert loaded._dataset_meta == {'classes': list('abcdefghij')}
    main(['publish', 'epoch_40.pth', 'average', '--key', 'ema_state_dict'])
    (path,) = folder.glob('average-*')
    loaded = read_checkpoint(path)['state_dict']
    assert torch.equal(loaded['head.fc.weight'], model.head.fc.weight + 1)


def test_code_in_a_config_is_not_run(folder):
    weights = to_openmmlab(torchvision.models.resnet18().state_dict(), 'x').state_dict
    plain = (
        "model = dict(type='ImageClassifier', backbone=dict(type='WideResNet'), {})\n"
        "test_dataloader = dict(dataset=dict(type='ImageNet', pipeline=[]))"
    )
    for text in (
        'import os',
        'x = dict(a=open("hacked", "w"))',
        # mmengine imports and calls whatever a type names.
        plain.format("neck=dict(type='subprocess.check_call', popenargs=['touch', 'hacked'])"),
        plain.format("data_preprocessor=dict(type='os.mkdir', path='hacked')"),
    ):
        torch.save(dict(meta=dict(cfg=text), state_dict=weights), 'evil.pth')
        main(['publish', 'evil.pth', 'x', '--overwrite'])
        with contextlib.suppress(SystemExit):  # a neck or head that no file may name is refused
            main(['convert', 'evil.pth', 'x', '--overwrite'])
        wrn.get_model(
            'wide-resnet50',
            'evil.pth',
            backbone=dict(depth=18, widen_factor=1),
            head=dict(in_channels=512),
        )
    assert not (folder / 'hacked').exists()


@pytest.mark.parametrize(
    'option',
    [
        dict(style='caffe'),
        dict(strides=(1, 2, 2, 1)),
        dict(norm_cfg=dict(type='BN', eps=1e-3)),
        dict(act_cfg=dict(type='GELU')),
    ],
)
def test_options_that_do_not_affect_the_keys(option, folder):
    """A converted file has the option too. An own config without it is refused."""
    own = Config.fromfile(model_index.models()['wide-resnet50'].config)
    own.merge_from_dict(dict(model=dict(backbone=dict(depth=18, widen_factor=1, **option))))
    own.model.head.in_channels = 512
    weights = wrn.get_model(own).state_dict()
    torch.save(dict(meta=dict(cfg=own.pretty_text), state_dict=weights), 'w.pth')
    (name,) = option
    main(['convert', 'w.pth', 'converted'])
    (converted,) = folder.glob('converted-*')
    assert wrn.get_model(converted, True)._config.model.backbone[name] == option[name]
    wrn.get_model(own, 'w.pth')
    own.model.backbone.pop(name)
    # Nobody wrote the shipped config for these weights.
    built = wrn.get_model(own, 'w.pth')
    assert built._config.model.backbone[name] == option[name]
    own.dump('mine.py')
    with pytest.raises(CheckpointError, match=f'trained with {name}='):
        wrn.get_model('mine.py', 'w.pth')


@pytest.mark.parametrize(
    'meta',
    [
        dict(dataset_meta={'classes': {'a', 'b'}}),
        dict(dataset_meta='abc'),
        dict(CLASSES=5),
        dict(source=3, license=['x'], cfg=4),
        dict(cfg='model = [1]\ntest_dataloader = 3'),
        dict(cfg='(' * 100_000),
        5,
    ],
)
def test_invalid_meta_is_ignored(meta, capsys, folder):
    small = dict(depth=18, widen_factor=1)
    model = wrn.get_model('wide-resnet50', backbone=small, head=dict(in_channels=512))
    torch.save(dict(meta=meta, state_dict=model.state_dict()), 'w.pth')
    main(['convert', 'w.pth', 'x'])
    (path,) = folder.glob('x-*')
    assert read_checkpoint(path)['meta'].keys() == {'source', 'assumed', 'cfg', KEY}
    assert read_checkpoint(path)['meta']['source'] == 'w.pth'


def test_test_takes_a_torchvision_file(make_image_folder, folder, run):
    """`wrn test CONFIG CHECKPOINT`."""
    root = make_image_folder()
    loader = dict(type='CustomDataset', data_root=str(root), data_prefix='val')
    (folder / 'mine.py').write_text(
        f"_base_ = ['{model_index.models()['wide-resnet50'].config}']\n"
        f'test_dataloader = dict(num_workers=0, dataset=dict(_delete_=True, **{loader}, '
        'pipeline={{_base_.test_pipeline}}))\n'
        'model = dict(backbone=dict(depth=18, widen_factor=1), '
        'head=dict(num_classes=3, in_channels=512, topk=1))\ntest_evaluator = dict(topk=1)\n'
    )
    reference = torchvision.models.resnet18(num_classes=3)
    reference.fc.bias.data[1] = 100  # every prediction is class 1
    torch.save(dict(model=reference.state_dict()), folder / 'theirs.pth')
    tested = run('wrn', 'test', 'mine.py', 'theirs.pth', cwd=folder)
    assert '33.3 % (4 of 12; 95 % interval 14 to 61)' in tested.stdout


def test_convert_reports_what_the_format_has_no_place_for(capsys):
    for to, dropped in (('authors-cifar', True), ('xternalz', False)):
        main(['convert', model_index.models()[DIGITS].weights, '--to', to])
        line = 'left out: num_batches_tracked (the format has no place for it)\n'
        assert (line in capsys.readouterr().out) == dropped


def test_test_warns_of_weights_with_another_activation(capsys):
    """Another activation has the same keys and shapes. With the right one, the file is tested."""
    digits = model_index.models()[DIGITS]
    main(['convert', digits.weights, 'robust', '--to', 'xternalz'])
    assert 'left out' not in capsys.readouterr().out
    (converted,) = Path().glob('robust-*.pth')
    assert 'block1.layer.0.bn1.weight' in torch.load(converted)
    main(['test', digits.config, str(converted)])
    top1 = digits.results[0].metrics['Top 1 Accuracy']
    assert f' {top1:.1f} % (352 of 355; ' in capsys.readouterr().out
    option = "model.backbone.act_cfg.type='SiLU'"
    main(['test', digits.config, str(converted), '--cfg-options', option])
    assert "assumed: act_cfg={'type': 'SiLU'}, not {'type': 'ReLU'}" in capsys.readouterr().err
