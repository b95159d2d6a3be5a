"""The Python calls: typed results, no output, and the same as the commands."""

import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wrn
from wrn.jobs.loading import WeightsOptions
from wrn.jobs.run_options import TrainOptions
from wrn.jobs.test import EvaluationOptions
from wrn.training.evaluation import CONFUSION
from wrn_base.cli import main
from wrn_base.parser import get_command

DIGITS = 'wide-resnet16-2_1xb64_digits'
# `insecure` and `csv_safe` set environment variables; torch's old launcher passes `local_rank`.
OF_COMMANDS = {'insecure', 'csv_safe', 'local_rank', 'json', 'verbose'}
SHORT = {'train_dataloader.dataset.indices': 64, 'train_dataloader.num_workers': 0}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_predict_is_a_stream_of_records(checkout, capsys):
    (damaged := Path('damaged.png')).write_bytes(b'no image')
    images = [checkout / 'demo' / 'digit_3.png', damaged, np.zeros((16, 16), np.uint8)]
    records = wrn.predict(images, topk=2, batch_size=2)
    first = next(records)  # before the rest is read
    assert first['img_path'] == str(images[0])
    assert first['predictions'][0]['pred_class'] == '3'
    assert len(first['predictions']) == 2
    unreadable, array = records
    assert unreadable['img_path'] == 'damaged.png'
    assert 'not an image' in unreadable['error']
    assert 'img_path' not in array
    assert capsys.readouterr() == ('', '')
    main(['predict', str(images[0]), '--topk', '2', '--out', 'out.json'])
    assert json.loads(Path('out.json').read_text()) == [first]


def test_test(capsys):
    done = wrn.test(DIGITS, report='report', cfg_options={'test_dataloader.dataset.indices': 90})
    assert done.metrics['accuracy/top1'] > 95
    assert sum(c.support for c in done.report.classes) == 90
    assert list(done.classes) == [str(digit) for digit in range(10)]
    assert Path('report', 'report.json').is_file()


def test_metrics_are_numbers_with_their_interval(capsys):
    """Without a report, too; the confusion matrix is in the file only if the config asks for it."""
    files = dict(out='m.json', out_item='metrics')
    done = wrn.test(DIGITS, **files, cfg_options={'test_dataloader.dataset.indices': 9})
    wanted = {'accuracy/top1', 'accuracy/top1-low', 'accuracy/top1-high', 'accuracy/balanced'}
    assert wanted < done.metrics.keys()
    assert all(isinstance(value, int | float) for value in done.metrics.values())
    written = json.loads(Path('m.json').read_text())
    assert {'accuracy/top1', 'calibration/nll'} < written.keys()
    assert CONFUSION not in written
    own = [dict(type='Accuracy'), dict(type='ConfusionMatrix')]
    settings = {'test_dataloader.dataset.indices': 9, 'test_evaluator': own}
    wrn.test(DIGITS, **files, overwrite=True, cfg_options=settings)
    assert CONFUSION in json.loads(Path('m.json').read_text())
    words = ['test', DIGITS, '--json', '--cfg-options', 'test_dataloader.dataset.indices=9']
    main(words)
    assert json.loads(capsys.readouterr().out)['metrics'] == done.metrics


def test_train_and_resume():
    options = dict(work_dir='run', cfg_options={**SHORT, 'train_cfg.max_epochs': 1})
    done = wrn.train(DIGITS, **options)
    assert done.folder == Path('run').resolve() or done.folder == Path('run')
    assert done.last.name == 'epoch_1.pth'
    assert done.last.is_file()
    options['cfg_options']['train_cfg.max_epochs'] = 2
    assert wrn.train(DIGITS, **options, resume='auto').last.name == 'epoch_2.pth'
    options['cfg_options']['train_cfg.max_epochs'] = 3
    assert wrn.train(DIGITS, **options, resume=True).last.name == 'epoch_3.pth'


def test_train_in_a_thread():
    """Only the main thread can handle signals. In another one, a run does without."""
    options = dict(work_dir='run', epochs=1, cfg_options=SHORT)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(wrn.train, DIGITS, **options).result().last.is_file()


def test_tests_in_threads_leave_the_output_alone(capsys):
    options = dict(cfg_options={'test_dataloader.dataset.indices': 9})
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(wrn.test, DIGITS, work_dir=f'{i}', **options) for i in range(3)]
        assert len({run.result().metrics['accuracy/top1'] for run in runs}) == 1
    print('hello')
    assert capsys.readouterr().out == 'hello\n'


def test_a_run_does_not_write_among_its_images(monkeypatch):
    for place in ('pets', 'split/train', 'split/val'):
        for name in ('a', 'b'):
            Path(place, name).mkdir(parents=True)
            for i in range(3):
                Image.new('L', (16, 16), 99 * i).save(Path(place, name, f'{i}.png'))
    options = dict(model=DIGITS, head_only=True)
    for data, folder in (('pets', 'pets'), ('pets', 'pets/a/x'), ('split', 'split/train/x')):
        message = f'--work-dir {folder}: is among the images of .*, where it would count as a class'
        with pytest.raises(wrn.WrnError, match=message):
            wrn.finetune(data, **options, work_dir=folder)
        assert not Path('pets/a/x').exists()
    with pytest.raises(wrn.WrnError, match='--report split/val/r: is among the images'):
        wrn.test(DIGITS, data='split', report='split/val/r')
    assert wrn.finetune('split', **options, work_dir='split/run').weights.is_file()
    monkeypatch.chdir('pets')
    with pytest.raises(wrn.WrnError, match='--work-dir work_dirs/pets: is among the images'):
        wrn.finetune('.', **options)
    assert sorted(path.name for path in Path().iterdir()) == ['a', 'b']


def test_wrong_types_name_the_argument():
    for options, message in (
        (dict(epochs='1'), "--epochs '1': must be a whole number"),
        (dict(lr='0.1'), "--lr '0.1': must be a number above 0"),
        (dict(cfg_options=['a=1']), r"--cfg-options \['a=1'\]: must be a dict"),
        (dict(work_dir=''), '--work-dir: is empty; leave it out, or give a value'),
        (dict(batch_size=2.5), '--batch-size 2.5: must be a whole number'),
    ):
        with pytest.raises(wrn.WrnError, match=message):
            wrn.train(DIGITS, **options)
    with pytest.raises(wrn.WrnError, match="topk '3': must be a whole number"):
        wrn.predict('x.png', topk='3')


def test_export_convert_and_check_data(checkout, digits_weights):
    exported = wrn.export(DIGITS, 'torchscript', 'digits.torchscript', softmax=True)
    assert exported.paths == [Path('digits.torchscript')]
    assert exported.metadata.softmax
    converted = wrn.convert(digits_weights, 'mine', 'xternalz', folder='out')
    assert converted.path.parent == Path('out')
    assert converted.format.title == "OpenMMLab's"
    for name in ('a', 'b'):
        Path('data', name).mkdir(parents=True)
        Image.fromarray(np.full((8, 8), ord(name), np.uint8)).save(f'data/{name}/1.png')
    assert wrn.check_data('data').problems == []


@pytest.mark.parametrize('name', ['train', 'finetune', 'test'])
def test_unknown_arguments_are_errors(name):
    with pytest.raises(TypeError, match="unknown argument 'ampp'; did you mean 'amp'"):
        getattr(wrn, name)('x', ampp=True)


@pytest.mark.parametrize('name', ['finetune', 'predict', 'export', 'convert'])
def test_unknown_arguments_get_the_nearest_parameter(name):
    near = 'to' if name == 'convert' else 'checkpoint'
    with pytest.raises(TypeError, match=f"unknown argument '{near}x'; did you mean '{near}'"):
        getattr(wrn, name)('x', 'onnx', **{f'{near}x': 1})


def test_public_names_can_be_completed():
    assert {'finetune', 'test', 'get_model'} < {*dir(wrn)} == {*wrn.__all__}


def test_errors_are_those_of_the_commands(fails):
    Image.new('RGB', (8, 8)).save('x.png')
    for function, words in (
        (lambda: wrn.test('none.py'), ('test', 'none.py')),
        (lambda: wrn.train('wide-resnet51'), ('train', 'wide-resnet51')),
        (lambda: wrn.predict('x.png', 'none.pth'), ('predict', 'x.png', '--model', 'none.pth')),
        (lambda: wrn.check_data('none'), ('check-data', 'none')),
        (lambda: wrn.convert('none.pth'), ('convert', 'none.pth')),
    ):
        with pytest.raises(wrn.WrnError) as raised:
            function()
        assert fails(*words) == f'wrn: error: {raised.value}'


@pytest.mark.parametrize(
    ('command', 'options'),
    [
        ('train', TrainOptions),
        ('finetune', TrainOptions),
        ('test', EvaluationOptions),
        ('predict', WeightsOptions),
        ('explain', WeightsOptions),
        ('export', WeightsOptions),
        ('convert', WeightsOptions),
        ('publish', None),
        ('verify', None),
    ],
)
def test_each_option_of_a_command_is_an_argument(command, options):
    """Except those of the output and of the process."""
    declared = {*flatten(get_command(command).ARGUMENTS)} - OF_COMMANDS
    takes = {
        *inspect.signature(getattr(wrn, command)).parameters,
        *getattr(options, '__annotations__', ()),
    }
    if command == 'predict':  # it yields the results, and its first argument has another name
        declared -= {'out', 'overwrite', 'inputs', 'heatmaps'}
    if command == 'explain':  # so does it; no backend with gradients is calibrated
        declared = declared - {'out', 'overwrite', 'inputs', 'calibration', 'class'} | {'classes'}
    assert declared <= takes


def flatten(arguments):
    """Yield the names of arguments, also of those in groups, as Python spells them."""
    for name, declaration in arguments.items():
        if 'help' in declaration:
            yield name.lstrip('-').replace('-', '_')
        else:
            yield from flatten(declaration)


def test_unknown_choices_are_errors():
    for function, near in (
        (lambda: wrn.export(DIGITS, 'onxx'), 'onnx'),
        (lambda: wrn.convert(DIGITS, to='timn'), 'timm'),
        (lambda: wrn.predict('x.png', backend='openvno'), 'openvino'),
    ):
        with pytest.raises(wrn.WrnError, match=near):
            function()


def test_lazy_attributes():
    with pytest.raises(AttributeError, match="'wrn' has no attribute 'finetun'"):
        _ = wrn.finetun
    for name in wrn.__all__:
        assert getattr(wrn, name) is not None
