"""`wrn test MODEL --data FOLDER`: any model on any folder, with the classes mapped by name."""

import csv
import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import wrn
from wrn.checkpoints import read_checkpoint, write_weights
from wrn.config.config_file import read_config
from wrn.data.listing import list_splits
from wrn.data.splitting import find_splits
from wrn.data.test_images import find_test_images
from wrn.jobs.test import make_config
from wrn.training.hooks.model_checks import _find_names
from wrn.training.testing_config import make_test_config
from wrn.zoo.resolve import resolve
from wrn_base.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """60 digits in class folders."""
    folder = tmp_path_factory.mktemp('data') / 'digits'
    digits = load_digits()
    for i in range(300, 360):
        path = folder / str(digits.target[i]) / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        # Noise, so that some predictions are wrong.
        pixels = digits.images[i] + 9 * torch.rand(8, 8, generator=torch.manual_seed(i)).numpy()
        Image.fromarray((pixels * (255 / 25)).astype('uint8')).save(path)
    return folder


@pytest.fixture(scope='module')
def expected(folder):
    """The class and score of each image, as `wrn predict` gives them."""
    results = wrn.inference_model(DIGITS, sorted(map(str, folder.rglob('*.png'))))
    found = {r['img_path']: (r['pred_class'], r['pred_score']) for r in results}
    right = sum(Path(path).parent.name == name for path, (name, _) in found.items())
    assert 6 < right < 60
    return found, 100 * right / 60


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Options of a test that writes to a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return dict(work_dir='run', out='out.csv', workers=0)


def read(out='out.csv'):
    with open(out, newline='') as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize('kind', ['name', 'weights', 'onnx', 'openvino', 'backend', 'config'])
def test_each_image_is_predicted_as_by_predict(
    folder, expected, options, kind, digits_weights, exported_digits
):
    model, checkpoint = DIGITS, None
    if kind == 'weights':
        model = digits_weights
    elif kind == 'backend':
        options['backend'] = 'fused'
    elif kind == 'config':
        model, checkpoint = 'configs/wrn/wide-resnet16-2_1xb64_digits.py', digits_weights
    elif kind != 'name':
        model = str(exported_digits(kind))
    done = wrn.test(model, checkpoint, data=str(folder), report='report', **options)
    found, accuracy = expected
    assert done.metrics['accuracy/top1'] == pytest.approx(accuracy)
    assert done.report.accuracy.total == 60
    assert done.classes == [str(i) for i in range(10)]
    rows = read()
    assert {row['img_path'] for row in rows} == found.keys()
    # Exported files and backends round differently in the last digits.
    tolerance = 1e-6 if kind in ('name', 'weights', 'config') else 1e-4
    for row in rows:
        name, score = found[row['img_path']]
        assert row['pred_class'] == name
        assert float(row['pred_score']) == pytest.approx(score, abs=tolerance)
        assert row['gt_class'] == Path(row['img_path']).parent.name
    assert json.loads(Path('report/report.json').read_text())['metrics']['images'] == 60


def test_the_work_folder_is_named_without_the_suffix_of_the_file(digits_weights):
    cfg = make_config(digits_weights, None, {})
    assert cfg.work_dir == f'work_dirs/{Path(digits_weights).stem}'
    assert make_config(digits_weights, None, dict(work_dir='x')).work_dir == 'x'


def copy(folder, names, to):
    for old, new in names.items():
        shutil.copytree(folder / old, Path(to, new))
    return str(to)


def test_some_of_the_classes_are_mapped_by_name(folder, options):
    data = copy(folder, {'7': '7', '3': '3'}, 'some/val')
    done = wrn.test(DIGITS, data='some', **options)
    assert {row['gt_label'] for row in read()} == {'3', '7'}
    by_name = {c.name: c.support for c in done.report.classes}
    assert (by_name['3'], by_name['7'], by_name['0']) == (
        len(list(Path(data, '3').iterdir())),
        len(list(Path(data, '7').iterdir())),
        0,
    )


def test_other_classes_are_refused(folder, options):
    copy(folder, {'7': 'seven', '3': '3'}, 'some')
    with pytest.raises(WrnError, match='has 1 class that the network does not have') as error:
        wrn.test(DIGITS, data='some', **options)
    assert str(error.value) == (
        '--data some: has 1 class that the network does not have: seven; that has 0, 1, 2 and 7 '
        'more; give both the same class names'
    )


def test_a_fine_tuned_file_knows_its_own_names(folder, options, digits_weights, tmp_path):
    """In another order than that of the folders, and with case that differs."""
    names = ['Zero', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine']
    checkpoint = read_checkpoint(digits_weights)
    checkpoint['meta']['dataset_meta'] = dict(classes=names)
    model = write_weights(tmp_path, 'named.pth', checkpoint['state_dict'], checkpoint['meta'])
    copy(folder, {str(i): name.lower() for i, name in enumerate(names)}, 'named/test')
    done = wrn.test(str(model), data='named', **options)
    assert (
        done.metrics['accuracy/top1']
        == wrn.test(DIGITS, data=str(folder), **dict(options, out='other.csv')).metrics[
            'accuracy/top1'
        ]
    )
    assert done.classes == names


def test_the_folder_of_the_training_is_recognized_by_its_name(
    folder, options, digits_weights, tmp_path, caplog
):
    checkpoint = read_checkpoint(digits_weights)
    checkpoint['meta']['source'] = f'{DIGITS} fine-tuned on digits'
    model = str(write_weights(tmp_path, 'tuned.pth', checkpoint['state_dict'], checkpoint['meta']))
    few = copy(folder, {'7': '7'}, 'few/digits')
    wrn.test(model, data=few, report='report', **options)
    name, number = json.loads(Path('report/report.json').read_text())['cautions'][:2]
    assert name.startswith("the weights were fine-tuned on a folder of this name, 'digits'; if it")
    assert f'--data {few}: {name}' in caplog.text
    assert number.startswith('test has 6 images, too few to measure accuracy: 80 % means ')
    caplog.clear()
    shutil.copytree(folder, 'digits/test')
    make_test_config(resolve(model), data='digits')  # new images, beside those of training
    make_test_config(resolve(model), data=copy(folder, {'7': '7'}, 'new'))
    assert 'fine-tuned' not in caplog.text


def test_weights_in_a_wrapper_with_their_own_normalization(folder, options, digits_weights):
    state = read_checkpoint(digits_weights)['state_dict']
    torch.save(dict(ema={f'student.{k}': v for k, v in state.items()}), 'wrapped.pth')
    chosen = dict(key='ema', prefix='student.', mean=[127.5], std=[127.5])
    done = wrn.test(DIGITS, 'wrapped.pth', data=str(folder), **options, **chosen)
    own = wrn.test(DIGITS, data=str(folder), **dict(options, out='other.csv'))
    assert done.metrics['calibration/nll'] == pytest.approx(own.metrics['calibration/nll'])
    other = wrn.test(DIGITS, data=str(folder), mean=[0], std=[255], **dict(options, out='o.csv'))
    assert other.metrics['calibration/nll'] != pytest.approx(own.metrics['calibration/nll'])


@pytest.mark.parametrize('suffix', ['txt', 'json'])
def test_an_annotation_file(folder, options, caplog, suffix):
    """Labels are positions among the classes of the network."""
    labels = {f'{n}/{path.name}': n for n in (3, 7) for path in folder.glob(f'{n}/*')}
    if suffix == 'txt':
        text = ''.join(f'{path} {label}\n' for path, label in labels.items())
    else:
        images = [dict(img_path=path, gt_label=label) for path, label in labels.items()]
        text = json.dumps(dict(metainfo={}, data_list=images))
    Path(f'labels.{suffix}').write_text(text)
    with caplog.at_level(logging.INFO, 'wrn'):
        done = wrn.test(DIGITS, data=str(folder), ann_file=f'labels.{suffix}', **options)
    assert f'tested on {folder}, by the labels in labels.{suffix}' in caplog.text
    assert done.report.accuracy.total == len(labels)
    assert done.classes == [str(i) for i in range(10)]
    assert {row['gt_class'] for row in read()} == {'3', '7'}


@pytest.mark.parametrize(
    ('folders', 'used'),
    [
        (['train/a', 'val/a', 'test/a'], 'test'),
        (['train/a', 'valid/a'], 'valid'),
        (['train/a', 'val/a', 'test'], 'val'),  # ImageNet's test images have no classes
        (['cat', 'dog'], ''),
        (['cat', 'valid'], ''),  # a class, without train
        (['Train/a', 'Validation/a', 'TEST/a'], 'TEST'),
        (['Train/a', 'Val/a', 'meta'], 'Val'),
        (['Test/a'], 'Test'),
        (['Control/a', 'Test/a'], ''),  # a class
    ],
)
def test_the_folder_that_is_used(tmp_path, folders, used):
    for name in folders:
        (tmp_path / 'data' / name).mkdir(parents=True)
    assert find_test_images(tmp_path / 'data') == (tmp_path / 'data' / used, None)


def test_the_validation_images_of_imagenet_are_listed(tmp_path):
    for name in ('train', 'val', 'meta'):
        (tmp_path / name).mkdir()
    (tmp_path / 'meta/val.txt').write_text('a.jpg 0\n')
    assert find_test_images(tmp_path) == (tmp_path / 'val', tmp_path / 'meta/val.txt')


def test_a_folder_to_train_with_is_no_test(tmp_path):
    (tmp_path / 'train/cat').mkdir(parents=True)
    with pytest.raises(
        WrnError, match=r'has train, but no folder test or val .*; give .*/train to'
    ):
        find_test_images(tmp_path)
    with pytest.raises(WrnError, match=r'nowhere: cannot be read \(No such file'):
        find_test_images(tmp_path / 'nowhere')


def test_a_folder_or_file_without_class_folders(tmp_path):
    """The cures are options of the command, not keys of a config."""
    (tmp_path / 'a.png').touch()
    with pytest.raises(WrnError, match=r'has no class folders; .* with --ann-file FILE$'):
        find_test_images(tmp_path)
    for name in ('an.csv', 'an.txt', 'pets.zip'):
        (tmp_path / name).touch()
        with pytest.raises(WrnError, match=r'is a file, not a folder; .* as --ann-file FILE$'):
            find_test_images(tmp_path / name)
        with pytest.raises(WrnError, match=r'is a file, not a folder; .* as --ann-file FILE$'):
            list_splits(tmp_path / name)
        with pytest.raises(WrnError, match=r'is a file, not a folder; .* as its ann_file$'):
            find_splits(tmp_path / name)
    with pytest.raises(WrnError, match=r'nowhere.txt: cannot be read \(No such file'):
        find_test_images(tmp_path, tmp_path / 'nowhere.txt')


def test_names_of_a_network_without_names_of_its_own(caplog):
    """Those of ImageNet, unless the folders are named by WordNet."""

    class Runner:
        cfg = read_config('wide-resnet50_8xb32_in1k')
        logger = logging.getLogger('runner')

    names = _find_names(Runner, ['tench', 'goldfish'])
    assert len(names) == 1000
    assert _find_names(Runner, [f'n{i:08}' for i in range(1000)]) is None
    assert 'the classes are taken in the same order' in caplog.text
    shuffled = [str(name).partition(',')[0] for name in sorted(names)]
    assert _find_names(Runner, sorted({*shuffled})) == names
    Runner.cfg.model.head.num_classes = 3
    assert _find_names(Runner, ['a', 'b', 'c']) is None


def test_what_cannot_be_tested_on_a_folder(folder, options):
    with pytest.raises(
        WrnError, match=r'--ann-file x.txt: its paths are below a folder; add --data'
    ):
        wrn.test(DIGITS, ann_file='x.txt', **options)
    Path('multi.py').write_text(
        "_base_ = ['" + read_config(DIGITS).filename + "']\n"
        "model = dict(head=dict(_delete_=True, type='MultiLabelLinearClsHead', num_classes=10, "
        'in_channels=128))\n'
    )
    with pytest.raises(WrnError, match='one class per image, not a MultiLabelLinearClsHead'):
        wrn.test('multi.py', 'x.pth', data=str(folder), **options)


def test_the_command(folder, options, fails, capsys):
    from wrn_base.cli import main

    main(['test', DIGITS, '--data', str(folder), '--work-dir', 'run', '--batch-size', '7'])
    assert 'accuracy  ' in capsys.readouterr().out
    assert 'nowhere: cannot be read' in fails('test', DIGITS, '--data', 'nowhere')
