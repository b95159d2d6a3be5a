"""``wrn features``: images of all kinds to files, and messages about mistakes."""

import contextlib
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import start_wrn, wait_for
from PIL import Image
from safetensors.numpy import load_file
from terminal_run import run_in_terminal

import wrn
from wrn.results import feature_files
from wrn_base import model_index
from wrn_base.cli import main

DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path, rng):
    """Work in a folder with seven small images in `images`."""
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'images').mkdir()
    for i in range(7):
        pixels = rng.integers(0, 256, (20, 16 + i), np.uint8)
        Image.fromarray(pixels).save(f'images/{i}.png')
    return tmp_path


@pytest.fixture
def images(folder):
    return [f'images/{i}.png' for i in range(7)]


def features(*arguments):
    main(['features', '--model', DIGITS, '--batch-size', '3', *map(str, arguments)])


def test_a_folder(capsys, images):
    features('images', '--stages', 'layer3', 'layer1', '--out', 'x.safetensors')
    arrays = load_file('x.safetensors')
    expected = wrn.extract_features(DIGITS, 'images', ('layer3', 'layer1'), batch_size=3)
    assert set(arrays) == {'layer3', 'layer1'}
    for name, array in arrays.items():
        assert np.array_equal(array, expected[name])
    assert Path('x.safetensors.txt').read_text().split() == images
    out, err = capsys.readouterr()
    assert out == (
        'x.safetensors: 7 images, layer3 128x4x4, layer1 32x16x16, backend eager; '
        'x.safetensors.txt lists the images\n'
    )
    assert err == ''


def test_every_kind_of_input_in_its_order(images):
    Path('some.txt').write_text('\n'.join(reversed(images)))
    with tarfile.open('some.tar', 'w') as archive:
        archive.add('images')
    inputs = ('images/5.png', 'images/[34].png', 'some.txt', 'some.tar', 'images')
    features(*inputs, '--pool', '--out', 'x.npy')
    listed = Path('x.npy.txt').read_text().split()
    wanted = [5, 3, 4, *range(6, -1, -1), *range(7), *range(7)]
    assert [path[-len('0.png')] for path in listed] == [str(i) for i in wanted]
    assert [path for path in listed if '.tar/' in path] == [f'some.tar/{p}' for p in images]
    one = wrn.extract_features(DIGITS, images, pool=True)
    expected = np.hstack([one['layer2'], one['layer3']])[wanted]
    # Convolutions may sum in another order for another batch size.
    np.testing.assert_allclose(np.load('x.npy'), expected, rtol=1e-4, atol=1e-5)


def test_parquet(images):
    parquet = pytest.importorskip('pyarrow.parquet')
    features('images', '--pool', '--out', 'x.parquet')
    table = parquet.read_table('x.parquet')
    assert table['img_path'].to_pylist() == images
    expected = wrn.extract_features(DIGITS, 'images', pool=True, batch_size=3)
    for name, array in expected.items():
        assert np.array_equal(table[name].combine_chunks().to_numpy_ndarray(), array)


def test_with_an_engine_and_own_weights(capsys, digits_weights):
    arguments = ['--stages', 'layer2', '--checkpoint', digits_weights, '--workers', '0']
    features('images', *arguments, '--backend', 'fused', '--out', 'x.npy')
    assert 'x.npy: 7 images, layer2 64x8x8, backend fused' in capsys.readouterr().out
    expected = wrn.extract_features(DIGITS, 'images', 'layer2')['layer2']
    np.testing.assert_allclose(np.load('x.npy'), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize('suffix', feature_files.SUFFIXES)
def test_damaged_images_are_left_out_named_and_counted(fails, capsys, images, suffix):
    if suffix == '.parquet':
        pytest.importorskip('pyarrow')
    Path('images/2.png').write_text('not an image')
    inputs = ('none.png', 'images')
    error = fails('features', *inputs, '--model', DIGITS, '--pool', '--out', f'x{suffix}')
    assert error == 'wrn: error: 2 of 8 images could not be read; remove or replace them'
    out, err = capsys.readouterr()
    assert out.startswith(f'x{suffix}: 6 images')
    assert [line[: len('wrn: images/2.png')] for line in err.splitlines()] == [
        'wrn: none.png: cannot be re'[: len('wrn: images/2.png')],
        'wrn: images/2.png',
    ]
    if suffix == '.npy':
        good = [path for path in images if '2' not in path]
        assert Path('x.npy.txt').read_text().split() == good
        expected = wrn.extract_features(DIGITS, good, pool=True)
        expected = np.hstack(list(expected.values()))
        np.testing.assert_allclose(np.load('x.npy'), expected, rtol=1e-4, atol=1e-5)


def test_no_readable_image(fails, folder):
    Path('bad.png').write_text('not an image')
    error = fails('features', 'bad.png', '--model', DIGITS, '--pool', '--out', 'x.npy')
    assert error == 'wrn: error: x.npy: not written, since no image could be read; replace them'
    assert {path.name for path in folder.iterdir()} == {'bad.png', 'images'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ['--stages', 'layer2', 'layer4'],
            '--stages layer2 layer4: must be distinct and among layer1, layer2, layer3',
        ),
        (['--stages', 'layer2', 'layer2'], '--stages layer2 layer2: must be distinct and among'),
        (['--out', 'x.csv'], '--out x.csv: features are written as .npy, .safetensors, .parquet'),
        (
            ['--out', 'x.npy'],
            '--out x.npy: maps of several stages do not fit in one array; write .saf',
        ),
        (['--out', '/dev/null/x.npy'], 'cannot be written (Not a directory)'),
        (['--out', 'images'], '--out images: features are written as'),
        (['--batch-size', '0'], '--batch-size 0: must be at least 1'),
        (['--workers', '-1'], '--workers -1: must be at least 0'),
        (['--model', 'wide-resnet16-2'], "unknown model 'wide-resnet16-2'; did you mean"),
        (['--model', 'wide-resnet50'], 'no pretrained weights; the model is random; give weights'),
        (['--checkpoint', 'none.pth'], 'none.pth'),
        (['--device', 'cuda:7'], '--device cuda:7: unavailable ('),
        (['--backend', 'tensorrt'], 'backend tensorrt: '),
    ],
)
def test_mistakes(fails, folder, arguments, message):
    defaults = ['--model', DIGITS, '--out', 'x.safetensors']
    assert message in fails('features', 'images', *defaults, *arguments)
    assert [path.name for path in folder.iterdir()] == ['images']


def test_no_images(fails, folder):
    (folder / 'empty').mkdir()
    error = fails('features', 'images', 'empty', '--model', DIGITS, '--out', 'x.safetensors')
    assert error.startswith('wrn: error: empty: the folder has no images')


@pytest.mark.parametrize('left_out', ['--model', '--out', 'images'])
def test_required_arguments(capsys, left_out):
    words = {'--model': [DIGITS], '--out': ['x.npy'], 'images': []}
    argv = [word for key, value in words.items() if key != left_out for word in (key, *value)]
    with pytest.raises(SystemExit, match='2'):
        main(['features', '--pool', *argv])
    assert left_out.replace('images', 'IMAGE') in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize('command', ['predict images', 'features images --model', 'test'])
def test_without_pyarrow(fails, monkeypatch, command):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    model = [] if 'predict' in command else [DIGITS]
    error = fails(*command.split(), *model, '--out', 'x.parquet')
    assert error.endswith('pyarrow is not installed; pip install pyarrow')


def test_features_of_uncropped_images_can_be_pooled(fails, checkout, digits_weights):
    config = model_index.models()[DIGITS].config
    Path('uncropped.py').write_text(
        f"""
_base_ = ['{config}']
load = dict(type='LoadImageFromFile', color_type='grayscale')
test_dataloader = dict(dataset=dict(pipeline=[load, dict(type='PackInputs')]))
"""
    )
    arguments = ['--model', 'uncropped.py', '--checkpoint', digits_weights]
    error = fails('features', 'images', *arguments, '--out', 'x.safetensors')
    assert error == (
        'wrn: error: images/1.png: its features of layer2 are 64x10x9, those of earlier images '
        '64x10x8; pool them, or crop the images in the config'
    )
    features('images', *arguments, '--pool', '--out', 'x.npy')
    assert np.load('x.npy').shape == (7, 192)


class Waiting(BaseHTTPRequestHandler):
    """Answer with an image, but not before the event of the server."""

    def do_GET(self):
        self.server.asked.set()
        self.server.answers.wait()
        with contextlib.suppress(OSError):  # the client was killed
            self.send_response(200)
            self.send_header('Content-Length', str(len(self.server.content)))
            self.end_headers()
            self.wfile.write(self.server.content)

    def log_message(self, *args):
        pass


@pytest.fixture
def waiting(serving, images):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Waiting)
    server.asked, server.answers = threading.Event(), threading.Event()
    server.content = Path(images[5]).read_bytes()
    with serving(server):
        yield server
        server.answers.set()


def test_a_killed_run_is_resumed(folder, fails, images, waiting):
    """A server that does not answer blocks the run."""
    url = f'http://127.0.0.1:{waiting.server_port}/x.png'
    (folder / 'bad.png').write_bytes(b'damaged')
    names = [*images[:3], 'bad.png', *images[3:5], url, *images[6:]]
    (folder / 'list.txt').write_text('\n'.join(names))
    arguments = ['features', 'list.txt', '--model', DIGITS, '--batch-size', '2', '--workers', '0']
    whole = ['whole.safetensors', 'whole.safetensors.txt']
    arguments += ['--out', 'x.safetensors']
    partial = Path('x.safetensors.partial')
    process = start_wrn(arguments, (folder / 'stdout', folder / 'stderr'))
    wait_for(waiting.asked.is_set)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    waiting.answers.set()
    assert '1 of 8 images could not be read' in fails(*arguments[:-1], whole[0])
    error = fails(*arguments, '--stages', 'layer1')
    assert 'x.safetensors.partial: from an interrupted run with different stages' in error
    process = start_wrn(arguments, (folder / 'stdout', folder / 'stderr'))
    process.join()
    assert process.exitcode == 1  # one image cannot be read
    errors = (folder / 'stderr').read_text().splitlines()
    assert 'wrn: resuming after 6 images' in errors[-2]
    assert '1 of 8 images could not be read' in errors[-1]
    assert '7 images, layer2 64x8x8, layer3 128x4x4, backend' in (folder / 'stdout').read_text()
    assert not partial.exists()
    for name in whole:
        assert Path(name.replace('whole', 'x')).read_bytes() == Path(name).read_bytes()


def test_progress_in_a_terminal(folder):
    words = ['features', 'images', '--model', DIGITS, '--batch-size', 3, '--pool', '--out', 'x.npy']
    seen = run_in_terminal(words, 80, folder)
    assert seen.code == 0
    assert any('Features' in line and '7/7' in line for line in seen.drawn), seen.drawn


MEMORY = """
import json, resource, sys
from wrn_base.cli import main

STAGES = {'x.npy': ['layer1'], 'x.safetensors': ['layer1', 'layer2'], 'x.parquet': ['layer1']}

def peak(number, out):
    with open('many.txt', 'w') as names:
        names.writelines(f'images/{i % 7}.png\\n' for i in range(number))
    words = ['--model', sys.argv[1], '--out', out, '--overwrite', '--stages', *STAGES[out]]
    main(['features', 'many.txt', *words])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

few = max(peak(500, out) for out in STAGES)
print(json.dumps([few, *(peak(2000, out) for out in STAGES)]))
"""


@pytest.mark.ci
def test_memory_does_not_grow_with_the_number_of_images(folder):
    """The maps of 2,000 images take at least 62 MiB, those of 500 take 16."""
    pytest.importorskip('pyarrow')
    command = [sys.executable, '-c', MEMORY, DIGITS]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    few, *many = json.loads(result.stdout.splitlines()[-1])
    for out in feature_files.SUFFIXES:
        assert (folder / f'x{out}').stat().st_size > 60 << 20
    assert max(many) - few < 30  # MiB: allocators keep some


@pytest.mark.slow
def test_anomaly_detection(checkout, folder, capsys):
    """Random weights of a narrow network are good enough for the images of the example."""
    (folder / 'narrow.py').write_text(
        f"_base_ = ['{checkout}/configs/wrn/wide-resnet50_8xb32_in1k.py']\n"
        'model = dict(backbone=dict(base_channels=16), head=dict(in_channels=512))\n'
    )
    torch.manual_seed(0)
    torch.save(wrn.get_model('narrow.py').state_dict(), 'narrow.pth')
    example = runpy.run_path(str(checkout / 'demo' / 'anomaly_detection.py'))
    arguments = ['--model', 'narrow.py', '--checkpoint', 'narrow.pth', '--out', 'x.png']
    image_auroc, pixel_auroc = example['main'](arguments)
    assert image_auroc >= 0.9
    assert pixel_auroc >= 0.9
    assert re.fullmatch(
        rf'AUROC of images {image_auroc:.3f}, of pixels {pixel_auroc:.3f}\n',
        capsys.readouterr().out,
    )
    with Image.open('x.png') as drawn:
        assert drawn.width > drawn.height > 300
