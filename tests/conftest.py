"""Shared fixtures: images, small datasets, servers, and commands in their own processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

os.environ['CUDA_VISIBLE_DEVICES'] = ''  # compare results on the CPU
os.environ['OMP_NUM_THREADS'] = '1'  # pytest runs one process per core

import mmpretrain
import numpy as np
import pytest
import sklearn.datasets
import torch
from commands import run_wrn
from filelock import FileLock
from mmengine.logging import MessageHub
from PIL import Image

import wrn
from wrn.deploy.export import FORMATS
from wrn.deploy.export import export as write_file
from wrn_base import model_index
from wrn_base.cli import main

# A shell lets the commands in its background ignore Ctrl-C, which the processes of tests inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _signals_stay_as_they_are():
    """Processes that other tests start would inherit a signal that is blocked or ignored."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():  # a run that is stopped ignores further signals
        signal.signal(number, handler)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.fixture
def checkout() -> Path:
    """The folder of this source tree."""
    return CHECKOUT


@pytest.fixture
def photographs() -> list[Path]:
    """The two photographs in scikit-learn, JPEGs of 640x427 pixels."""
    return sorted(Path(sklearn.datasets.__file__).parent.joinpath('images').glob('*.jpg'))


@pytest.fixture
def photograph(photographs: list[Path]) -> Path:
    return photographs[0]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def digits_weights() -> str:
    """The path of the embedded weights."""
    return model_index.models()['wide-resnet16-2_1xb64_digits'].weights


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """Run a command and return the completed process with its output as text."""
    # Scripts that call `python` must find this interpreter, even in an inactive environment.
    monkeypatch.setenv('PATH', str(Path(sys.executable).parent), prepend=os.pathsep)

    def run(*command: object, code: int | None = 0, **kwargs) -> subprocess.CompletedProcess[str]:
        command = [str(part) for part in command]
        if command[0] == 'wrn':
            result = run_wrn(command[1:], timeout=600, **kwargs)
        else:
            if command[0] == 'python':
                command[0] = sys.executable
            result = subprocess.run(command, capture_output=True, text=True, timeout=600, **kwargs)
        if code is not None:
            assert result.returncode == code, result.stdout[-3000:] + result.stderr[-3000:]
        return result

    return run


@pytest.fixture
def make_image_folder(tmp_path: Path, rng: np.random.Generator):
    """Write a folder in ImageNet's layout: JPEGs of several sizes. Their hue is their class."""

    def make(classes: int = 3, train: int = 8, val: int = 4, name: str = 'imagenet') -> Path:
        root = tmp_path / name
        for split, count in (('train', train), ('val', val)):
            for label in range(classes):
                folder = root / split / f'class_{label}'
                folder.mkdir(parents=True)
                for i in range(count):
                    size = (48 + 4 * (i % 3), 40, 3)
                    pixels = rng.integers(0, 80, size)
                    pixels[..., label % 3] += 150
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / f'{i}.jpg')
        return root

    return make


@pytest.fixture
def randomize():
    """Give a network random weights and batch statistics that keep its signals in range."""

    def randomize(network: torch.nn.Module) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(0)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.data.uniform_(0.2, 0.6, generator=generator)
                module.bias.data.uniform_(-0.2, 0.2, generator=generator)
                module.running_mean.uniform_(-0.2, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
            elif isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                fan_in = module.weight[0].numel()
                module.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
        return network.eval()

    return randomize


@pytest.fixture(scope='session')
def exported_digits(tmp_path_factory: pytest.TempPathFactory, worker_id: str):
    """Export the embedded model once for all processes of a test run. Do not change the file."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == 'master' else base.parent) / 'exported_digits'
    folder.mkdir(exist_ok=True)

    def export(format: str, preprocess: bool = False, softmax: bool = False) -> Path:
        suffix = FORMATS[format].suffix
        path = folder / f'{"inside" if preprocess else "outside"}-{softmax}' / f'digits{suffix}'
        with FileLock(folder / f'{path.parent.name}{suffix}.lock'):
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                network = wrn.get_model('wide-resnet16-2_1xb64_digits', True)
                write_file(network, 'digits', format, path, preprocess, softmax)
        return path

    return export


@pytest.fixture(scope='session')
def mmpretrain_root() -> Path:
    """The folder of the installed mmpretrain."""
    return Path(mmpretrain.__file__).parent


@pytest.fixture
def training_checkpoint() -> dict[str, Any]:
    """A checkpoint as mmengine writes it, including the message hub with its histories."""
    hub = MessageHub('training_checkpoint')
    for step in range(3):
        hub.update_scalar('train/loss', 1.0 / (step + 1))
        hub.update_scalar('train/lr', np.float64(0.1))
        hub.update_scalar('val/accuracy', torch.tensor(0.5))
    hub.update_info('epoch', 3)
    return dict(
        meta=dict(epoch=3, iter=9, dataset_meta=dict(classes=('a', 'b'))),
        state_dict={
            'head.fc.weight': torch.arange(6.0).reshape(2, 3),
            'head.fc.bias': torch.ones(2),
        },
        message_hub=hub.state_dict(),
    )


class Calls:
    """An object that is pickled as a call of ``function`` with ``args``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.fixture
def calls() -> type[Calls]:
    """The class of objects that run a function when they are unpickled."""
    return Calls


class Server(ThreadingHTTPServer):
    def __init__(self, folder):
        self.requests = []
        super().__init__(('127.0.0.1', 0), partial(Handler, directory=str(folder)))

    def url(self, name):
        return f'http://127.0.0.1:{self.server_port}/{name}'


class Handler(SimpleHTTPRequestHandler):
    def log_request(self, code='-', size='-'):
        self.server.requests.append((self.path, int(code)))


@contextlib.contextmanager
def _serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serving():
    """Run a server in a thread during a block."""
    return _serving


@pytest.fixture
def server(tmp_path: Path, serving):
    """A local HTTP server that serves a folder and records its requests."""
    (tmp_path / 'served').mkdir()
    with serving(Server(tmp_path / 'served')) as server:
        server.folder = tmp_path / 'served'
        yield server


@pytest.fixture
def dead_host():
    """The address of a port that refuses connections."""
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        yield f'http://127.0.0.1:{taken.getsockname()[1]}'


@pytest.fixture
def fails(capsys):
    """Run a command that must fail with one line, and return that line."""

    def fails(*argv):
        with pytest.raises(SystemExit) as exit:
            main([str(word) for word in argv])
        assert isinstance(exit.value.code, str)  # printed on standard error, exit status 1
        assert exit.value.code.startswith('wrn: error: ')
        assert '\n' not in exit.value.code
        return exit.value.code

    return fails
