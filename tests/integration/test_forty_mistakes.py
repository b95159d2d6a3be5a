"""Forty mistakes that people make: one line each, which names what mends it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from small_run import write_classes, write_config, write_data

import wrn
from wrn_base.cli import main

DIGITS = 'wide-resnet16-2_1xb64_digits'
SIGN_OF_LIFE = re.compile(r'wrn: (starting|the log is in .*\.log)')  # of a run

# The command, its exit status, and what the line says; what it must name is what the user types.
MISTAKES = [
    # the order of words
    ('--verbose train small.py', 2, '`wrn train ... --verbose`'),
    ('trian small.py', 2, "did you mean 'train'"),
    ('small.py train', 2, 'unknown command'),
    ('test w.pth small.py', 1, 'wrn test small.py w.pth'),
    # options and their values
    ('predict x.png --devise cpu', 2, "did you mean '--device'"),
    ('finetune data --epoch 3', 2, "did you mean '--epochs'"),
    ('predict x.png --batch-size all', 2, 'argument --batch-size: .* must be a whole number'),
    ('export model --format ONNX', 2, "did you mean 'onnx'"),
    ('predict --model small.py', 2, 'required: IMAGE'),
    ('finetune data --epochs 0', 1, '--epochs 0: must be at least 1'),
    ('finetune data --lr=-0.1', 1, 'above 0'),
    ('finetune data --views 3', 1, '--head-only; add that'),
    ('train small.py --resume --overwrite', 1, 'give one of them'),
    ('train small.py --patience 2 --no-validate', 1, 'leave --patience out'),
    ('predict x.png --json --out y.csv', 1, 'give one of them'),
    ('predict x.png --out -', 1, '--json'),
    ('predict x.png --precision int8', 1, 'use backend openvino'),
    ('predict x.png --device gpu', 1, '--device gpu: unknown; give cpu'),
    ('predict x.png --device cuda', 1, 'give cpu; no GPU was found'),
    # paths
    ('predict x.pgn', 1, r"did you mean 'x\.png'"),
    ('predict photographs', 1, 'check the path'),
    ('features empty --model small.py --checkpoint w.pth --out x.npy --pool', 1, r'formats are .*\.png'),
    ('finetune pets', 1, 'pets: .*check the path'),
    ('finetune one', 1, 'a folder of images for each of at least two classes'),
    ('finetune data --resume gone.pth', 1, '--resume alone for the latest'),
    ('check-data x.png', 1, 'is a file, not a folder; give the folder'),
    ('test small.py w.pth --data data/train/ape', 1, 'into a folder with its name'),
    ('test small.py w.pth --ann-file list.txt', 1, '--data FOLDER'),
    ('train small.py --work-dir x.png', 1, 'it is a file.*choose another folder'),
    ('predict x.png --out results.xlsx', 1, r'written as \.csv'),
    # models, configs, keys and classes
    ('train small', 1, r"did you mean 'small\.py'"),
    ('overfit smal.py', 1, r"did you mean 'small\.py'"),
    ('predict x.png --model data', 1, 'is a folder, not a model; .* `wrn test MODEL --data data`'),
    (f'info {DIGITS[:-1]}', 1, f"did you mean '{DIGITS}'"),
    ('train w.pth', 1, 'wrn finetune FOLDER --model FILE'),
    ('predict x.png --model w.pth', 1, 'give the config'),
    ('predict x.png --model small.py', 1, '--checkpoint'),
    ('config small.py --cfg-options trian_cfg.max_epochs=3', 1, 'rename it to train_cfg'),
    ('train small.py --cfg-options model.backbone.depht=16', 1, "did you mean 'depth'"),
    ('train small.py --cfg-options train_dataloader.batchsize=4', 1, "did you mean 'batch_size'"),
    ('train small.py --cfg-options model.backbone.type=WideResnetCIFR', 1, "did you mean 'WideResNetCIFAR'"),
    ('train small.py --cfg-options optim_wrapper.optimizer.type=sgd', 1, "did you mean 'SGD'"),
    ('train small.py --cfg-options train_cfg.max_epochs', 1, 'KEY=VALUE'),
    # weights
    ('info page.pth', 1, 'a web page.*download it again'),
    ('convert w.pth --to timm', 1, 'give one of openmmlab'),
    ('publish gone.pth mine', 1, 'give the path of a checkpoint file'),
    # results that exist
    ('predict x.png --out old.csv', 1, 'old.csv: exists; add --overwrite'),
    ('features x.png --model small.py --out old.npy', 1, 'old.npy: exists; add --overwrite'),
    ('test small.py w.pth --report old', 1, 'old/report.json: exists; add --overwrite'),
    ('test small.py w.pth --show-dir old', 1, 'old: exists; add --overwrite'),
    ('plot run --out old.png', 1, 'old.png: exists; add --overwrite'),
    ('check-data data --out old.csv', 1, 'old.csv: exists; add --overwrite'),
    ('config small.py --out small.py', 1, 'small.py: exists; add --overwrite'),
    (f'export {DIGITS} --format onnx --out old.onnx', 1, 'old.onnx: exists; add --overwrite'),
    ('train small.py --work-dir run', 1, '--resume to complete its run'),
]  # fmt: skip
# The packages that are not installed.
EXTRAS = [
    ('predict x.png --backend onnxruntime', 'onnx onnxscript onnxruntime', 'pip install onnx onnxscript onnxruntime'),
    ('predict x.png --backend openvino', 'openvino', 'pip install openvino'),
    ('predict x.png --backend ncnn', 'ncnn pnnx', 'pip install ncnn pnnx'),
    (f'export {DIGITS} --format openvino', 'openvino', 'pip install openvino'),
    ('predict x.png --out x.parquet', 'pyarrow', 'pip install pyarrow'),
    ('predict x.png --heatmaps maps', 'pytorch_grad_cam', "pip install 'mmpretrain-wrn[report]'"),
    (f'explain x.png --model {DIGITS} --out maps', 'pytorch_grad_cam', "pip install 'mmpretrain-wrn[report]'"),
    ('train small.py --tensorboard', 'tensorboard', 'pip install tensorboard'),
    ('train small.py --wandb', 'wandb', 'pip install wandb'),
]  # fmt: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mistakes')
    write_data(folder, 4)
    write_classes(folder / 'one', ['ape'], 2)
    model = wrn.get_model(write_config(folder / 'small.py'))
    torch.save(dict(state_dict=model.state_dict()), folder / 'w.pth')
    Image.new('RGB', (16, 16)).save(folder / 'x.png')
    for name in ('empty', 'old', 'run'):
        (folder / name).mkdir()
    (folder / 'page.pth').write_text('<!DOCTYPE html><title>Log in</title>')
    for name in (
        'old.csv',
        'old.npy',
        'old.png',
        'old.onnx',
        'old/report.json',
        'run/epoch_1.pth',
    ):
        (folder / name).write_text('a result')
    return folder


@pytest.fixture
def mistake(folder, monkeypatch, capsys):
    """Make a mistake, and return the only line that is printed, and the exit status."""
    monkeypatch.chdir(folder)

    def mistake(command):
        files = [path for path in folder.rglob('*') if 'work_dirs' not in path.parts]
        before = {path: path.read_bytes() for path in files if path.is_file()}
        with pytest.raises(SystemExit) as exit:
            main(command.split())
        out, err = capsys.readouterr()
        code = exit.value.code
        lines = [line for line in err.splitlines() if not SIGN_OF_LIFE.fullmatch(line)]
        if isinstance(code, str):  # printed by Python at exit, with status 1
            lines, code = [*lines, code], 1
        assert out == ''
        assert len(lines) == 1, lines
        assert '\n' not in lines[0]
        assert len(lines[0]) < 500
        assert all(path.read_bytes() == content for path, content in before.items())
        return lines[0], code

    return mistake


def test_there_are_forty():
    commands = [command for command, *_ in [*MISTAKES, *EXTRAS]]
    assert len({*commands}) == len(commands) >= 40


@pytest.mark.parametrize(('command', 'code', 'cure'), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_one_line_names_the_cure(mistake, command, code, cure):
    line, exit = mistake(command)
    assert exit == code
    assert re.match(r'wrn( [\w-]+)?: error: ', line)
    assert re.search(cure, line), line


@pytest.mark.parametrize(
    'command',
    [
        'predict x.png --out new.csv --heatmaps new.csv',
        'predict x.png --out new.csv --heatmaps ./new.csv/maps',
        'test small.py w.pth --out new.json --report new.json',
        'test small.py w.pth --out new.json --show-dir new.json/shown',
        'test small.py w.pth --out new.json --work-dir new.json',
    ],
)
def test_a_path_of_both_a_file_and_a_folder(mistake, folder, command):
    out, option, path = command.split()[-3:]
    line, _ = mistake(command)
    both = f'--out {out} and {option} {path}: {out} cannot be both a file and a folder; choose'
    assert f'error: {both} another path for one of them' in line
    assert not list(folder.glob('new*'))


@pytest.mark.parametrize(('command', 'hidden', 'cure'), EXTRAS, ids=[m[0] for m in EXTRAS])
def test_an_extra_that_is_missing(mistake, monkeypatch, command, hidden, cure):
    find_spec = importlib.util.find_spec

    def find(name, *rest):
        return None if name in hidden.split() else find_spec(name, *rest)

    monkeypatch.setattr('importlib.util.find_spec', find)
    line, exit = mistake(command)
    assert exit == 1
    assert f'not installed; {cure}' in line.replace('run `', '').replace('`', '')


def test_the_digits_without_scikit_learn(tmp_path):
    """Its images come with scikit-learn, which this process has imported."""
    Path(tmp_path, 'sklearn.py').write_text("raise ImportError('No module named sklearn')\n")
    script = f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import wrn; wrn.Digits()'
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert 'scikit-learn, which is not installed; run `pip install scikit-learn`' in last
