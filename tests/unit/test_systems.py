"""What differs between systems, as far as it can be tried on any: paths, text, signals, locks."""

import io
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import MMLogger
from mmengine.runner import CheckpointLoader, Runner

from wrn.checkpoints.checkpoint_file import find_entry, localize, open_checkpoint
from wrn.cli.settings import parse_settings
from wrn.data.images import find_images, read_image
from wrn.data.images.walk import FollowedLinks
from wrn.data.kaggle_imagenet import link_kaggle
from wrn.deploy.engines.torch_engines import CompiledEngine
from wrn.results.drawing_files import name_drawing
from wrn.training import worker_signals
from wrn.training.brief_runner import BriefRunner
from wrn.training.hooks import termination
from wrn.training.hooks.safe_checkpoints import SafeCheckpointHook
from wrn.training.run_files import find_last
from wrn.training.screen_log import write_any_text
from wrn.utils import pipes
from wrn.utils.scratch import remove_lock
from wrn.zoo.resolve import is_name
from wrn_base import interrupt, model_index
from wrn_base.cli import main
from wrn_base.errors import CheckpointError, ImageReadError, RunStoppedError, WrnError
from wrn_base.systems import hold_sigterm
from wrn_base.terminal import printable, show

LOST_WORKER = 'DataLoader worker (pid 1) is killed by signal: Terminated. '


@pytest.mark.parametrize(
    'path',
    [r'C:\new\x', 'C:/new/x', 'C:x', r'\\server\share\x', '//server/share/x', 'дом (2)/ёж x'],
)
def test_a_path_of_windows_is_no_url(path):
    with pytest.raises(ImageReadError, match=r'cannot be read \(No such file or directory\)'):
        read_image(f'{path}.jpg')
    assert [*find_images(f'{path}.jpg')] == [f'{path}.jpg']
    for read in (open_checkpoint, CheckpointLoader.load_checkpoint):
        with pytest.raises(CheckpointError, match='does not exist'):
            read(f'{path}.pth')
    assert localize(f'{path}.pth') == f'{path}.pth'
    assert find_entry(f'{path}.pth') is None
    assert not is_name(f'{path}.pth')
    assert isinstance(get_file_backend(path), LocalBackend)
    assert parse_settings([f'a.b={path}']) == {'a.b': path}
    assert printable(path) == path
    assert model_index.shorten_config(path) == path
    if ':x' not in path:  # the file x in the current folder of that drive
        assert name_drawing(7, path) in ('000007-x', '000007-ёж_x')


def test_the_config_of_a_model_is_named_as_users_give_it():
    path = model_index.models()['wide-resnet16-2_1xb64_digits'].config
    short = model_index.shorten_config(path)
    assert short == 'configs/wrn/wide-resnet16-2_1xb64_digits.py'
    assert model_index.find_config(short) == Path(path)


def test_a_link_to_another_drive(tmp_path, monkeypatch):
    """For such paths, relpath and commonpath raise errors on Windows."""

    def fail(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    for name in ('start/below/.hidden', 'other'):
        (tmp_path / name).mkdir(parents=True)
    for name, target in (('out', 'other'), ('up', ''), ('down', 'start/below'), ('again', 'other')):
        (tmp_path / 'start' / name).symlink_to(tmp_path / target)
    (tmp_path / 'start' / 'hidden').symlink_to(tmp_path / 'start/below/.hidden')
    monkeypatch.setattr(os.path, 'relpath', fail)
    monkeypatch.setattr(os.path, 'commonpath', fail)
    links = FollowedLinks(tmp_path / 'start')
    names = ('out', 'up', 'down', 'again', 'below', 'hidden')
    entered = [links.enters(tmp_path / 'start' / name) for name in names]
    assert entered == [True, False, False, False, True, True]


@pytest.mark.parametrize('encoding', ['utf-8', 'cp1251'])
def test_the_last_checkpoint_is_named_in_any_encoding(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr('locale.getpreferredencoding', lambda *_: 'cp1251')
    (tmp_path / 'last_checkpoint').write_bytes('кошки/эпоха_3.pth'.encode(encoding))
    assert find_last(tmp_path) == Path('кошки/эпоха_3.pth')
    (tmp_path / 'эпоха_3.pth').touch()
    assert find_last(tmp_path) == tmp_path / 'эпоха_3.pth'


def test_a_run_folder_whose_name_the_system_cannot_encode(tmp_path, monkeypatch):
    def write(self, runner, step, meta):  # as mmengine does on Windows
        path = tmp_path / 'кошки' / 'epoch_1.pth'
        path.parent.mkdir()
        path.touch()
        self.last_ckpt = str(path)
        self.last_ckpt.encode('cp1252')

    monkeypatch.setattr(CheckpointHook, '_save_checkpoint_with_step', write)
    runner = type('Run', (), dict(work_dir=str(tmp_path)))
    SafeCheckpointHook()._save_checkpoint_with_step(runner, 1, {})
    assert find_last(tmp_path) == tmp_path / 'кошки' / 'epoch_1.pth'


def test_a_log_has_any_text(tmp_path):
    logger = MMLogger('any text', log_file=str(tmp_path / 'run.log'))
    (handler,) = (h for h in logger.handlers if hasattr(h, 'baseFilename'))
    handler.stream.reconfigure(encoding='cp1252', errors='strict')
    write_any_text(logger)
    logger.info('кошки/\udcff')
    assert 'кошки/\\udcff' in (tmp_path / 'run.log').read_text(encoding='utf-8')
    handler.close()


def test_output_escapes_what_the_encoding_of_a_pipe_lacks(monkeypatch):
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(pipe, 'cp1252', newline='\n'))
    main(['list'])
    show('é ё')
    sys.stdout.flush()
    assert pipe.getvalue().endswith(b'\xe9 \\u0451\n')


@pytest.mark.parametrize(('module', 'waits'), [('popen_fork', True), ('popen_spawn_posix', False)])
def test_ctrl_c_while_a_data_worker_starts(monkeypatch, module, waits):
    """A fork would lose the exception. A spawned process that has ended keeps this one waiting."""
    later = []
    monkeypatch.setattr(interrupt.threading, 'Timer', lambda *args: later.append(args) or Started())
    names = dict(__name__=f'multiprocessing.{module}', signal=signal)
    exec('def _launch():\n    signal.raise_signal(signal.SIGINT)', names)
    with interrupt.raise_at_interrupt():
        if waits:
            names['_launch']()
        else:
            with pytest.raises(KeyboardInterrupt):
                names['_launch']()
    assert len(later) == waits


class Started:
    def start(self):
        pass


def test_a_worker_that_cannot_see_who_sent_sigterm_ends_at_any(monkeypatch):
    monkeypatch.setattr(worker_signals, 'SEES_SENDER', False)
    called = []
    hold_sigterm(True)
    worker_signals.ignore_sigterm(called.append, os.getpid(), 3)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert called == [3]


@pytest.mark.parametrize(('requested', 'error'), [(True, RunStoppedError), (False, RuntimeError)])
def test_sigterm_also_ended_the_data_workers(requested, error):
    hook = termination.TerminationHook()
    hook.requested = requested  # by the signal

    def lose_worker():
        with hook.listening():
            raise RuntimeError(LOST_WORKER)

    with pytest.raises(error):
        lose_worker()


@pytest.mark.parametrize(
    ('methods', 'stated', 'used'),
    [
        (['fork', 'spawn'], None, None),
        (['fork', 'spawn'], 'fork', 'fork'),
        (['spawn', 'fork'], None, 'spawn'),
        (['spawn', 'fork'], 'fork', 'spawn'),
        (['spawn', 'fork'], 'forkserver', 'forkserver'),
    ],
)
def test_data_workers_start_as_python_starts_processes(monkeypatch, methods, stated, used):
    given = []
    monkeypatch.setattr(multiprocessing, 'get_all_start_methods', lambda: methods)
    monkeypatch.setattr(Runner, 'setup_env', lambda self, cfg: given.append(cfg))
    mp_cfg = dict(opencv_num_threads=0) | (dict(mp_start_method=stated) if stated else {})
    env_cfg = dict(mp_cfg=mp_cfg, cudnn_benchmark=True)
    BriefRunner.setup_env(object.__new__(BriefRunner), env_cfg)
    (result,) = given
    assert result['mp_cfg'].get('mp_start_method') == used
    assert result['mp_cfg']['opencv_num_threads'] == 0
    assert result['cudnn_benchmark']
    assert mp_cfg.get('mp_start_method') == stated  # the config of checkpoints stays as it is


@pytest.mark.parametrize(
    ('name', 'refused'), [('__mp_main__', True), ('__main__', False), (None, False)]
)
def test_a_script_that_a_data_worker_imports(name, refused):
    code = compile("import wrn\nwrn.train('none.py', workers=2)", 'script.py', 'exec')
    reason = '^script.py: .* put the call below if __name__' if refused else 'no such config file'
    with pytest.raises(WrnError, match=reason):
        exec(code, dict(__name__=name) if name else {})


def test_a_lock_that_is_held_cannot_be_removed_on_windows(tmp_path, monkeypatch):
    with FileLock(tmp_path / 'x.lock') as lock:
        with monkeypatch.context() as patch:
            patch.setattr(Path, 'unlink', _refuse)
            remove_lock(lock)
        assert (tmp_path / 'x.lock').exists()
        remove_lock(lock)
        assert not (tmp_path / 'x.lock').exists()


def _refuse(*args, **kwargs):
    raise PermissionError(13, 'The process cannot access the file')


def test_a_device_without_the_flags_of_posix(monkeypatch):
    monkeypatch.setattr(pipes, '_AT_ONCE', 0)
    monkeypatch.delattr(os, 'set_blocking')
    descriptor = pipes.open_special(Path(os.devnull))
    assert os.write(descriptor, b'x') == 1
    os.close(descriptor)


def test_kaggles_folders_where_links_are_not_allowed(tmp_path, monkeypatch):
    (tmp_path / 'ILSVRC' / 'Data' / 'CLS-LOC' / 'train' / 'n01').mkdir(parents=True)
    (tmp_path / 'LOC_val_solution.csv').write_text('ImageId,PredictionString\nx,n01 1 2 3 4\n')
    monkeypatch.setattr(Path, 'symlink_to', _refuse)
    with pytest.raises(WrnError, match='turn on its developer mode, or move the folder there'):
        link_kaggle(tmp_path, tmp_path / 'out')


def test_what_to_install_to_compile(monkeypatch):
    monkeypatch.setenv('PATH', '')
    missing = CompiledEngine.missing(torch.device('cpu'))
    assert missing == 'torch.compile needs a C++ compiler; install g++'
