"""Of mmengine's log, the screen has what a user needs to know; the log file has everything."""

import logging
import warnings

import mmengine.runner.runner
import pytest
import torch.optim.lr_scheduler
from mmengine.config import Config
from mmengine.logging import MMLogger, print_log
from small_run import write_config, write_data

from wrn.training import screen_log
from wrn.training.build_runner import build_runner
from wrn.training.screen_log import keep_off_screen, log_warning
from wrn_base.run_progress import RunProgress


@pytest.fixture
def logger(tmp_path):
    """The logger of a run."""
    return MMLogger.get_instance(str(tmp_path), log_file=str(tmp_path / 'run.log'), file_mode='a')


def record(logger, path, level, text):
    logger.handle(logger.makeRecord('mmengine', level, path, 1, text, (), None))


@pytest.mark.parametrize(
    ('path', 'level', 'shown'),
    [
        (__file__, logging.INFO, False),
        (__file__, logging.WARNING, True),  # such as a hook of a user
        (screen_log.__file__, logging.WARNING, True),
        (mmengine.runner.runner.__file__, logging.WARNING, False),
        (torch.optim.lr_scheduler.__file__, logging.WARNING, False),
        (mmengine.runner.runner.__file__, logging.ERROR, True),
    ],
)
def test_what_the_screen_has(logger, capfd, caplog, tmp_path, path, level, shown):
    keep_off_screen(logger)
    with caplog.at_level(logging.INFO, 'wrn'):
        record(logger, path, level, 'a message\nin two lines')
    expected = [('wrn', level, 'a message in two lines')] if shown else []
    assert caplog.record_tuples == expected  # our own log, which the command line shows
    assert capfd.readouterr().out == ''
    assert 'a message\nin two lines\n' in (tmp_path / 'run.log').read_text()


def test_a_message_that_mmengine_logs_for_others(logger, capfd, caplog, tmp_path):
    keep_off_screen(logger)
    print_log('Failed to search registry', logger, logging.WARNING)
    assert caplog.record_tuples == []
    assert 'Failed to search registry' in (tmp_path / 'run.log').read_text()


def test_warnings_of_python_go_to_the_log_also_those_before_it_exists(
    logger, tmp_path, monkeypatch
):
    no_file = MMLogger.get_instance(f'{tmp_path} without a file')
    theirs = torch.optim.lr_scheduler.__file__
    current = [no_file]
    monkeypatch.setattr(MMLogger, 'get_current_instance', lambda: current[0])
    assert log_warning(UserWarning('early'), UserWarning, theirs, 7)
    keep_off_screen(no_file)  # still held
    current[0] = logger
    keep_off_screen(logger)
    assert log_warning('late', DeprecationWarning, theirs, 7, None, None)
    assert not log_warning('of a user', UserWarning, __file__, 7)
    lines = (tmp_path / 'run.log').read_text().splitlines()
    assert [line.partition(' - WARNING - ')[2] for line in lines] == [
        'UserWarning: early',
        'DeprecationWarning: late',
    ]


class Verbose(RunProgress):
    verbose = True


@pytest.mark.parametrize('kind', ['Runner', 'FlexibleRunner'])
@pytest.mark.parametrize('progress', [RunProgress(), Verbose()], ids=['quiet', 'verbose'])
def test_the_log_of_a_new_runner(tmp_path, monkeypatch, capfd, kind, progress):
    """A runner of another type builds its logger by itself."""
    monkeypatch.chdir(tmp_path)
    write_data('.', 2)
    other = 'runner_type = "FlexibleRunner"\nstrategy = dict(type="SingleDeviceStrategy")\n'
    config = write_config('small.py', f'env_cfg = dict()\n{other if kind != "Runner" else ""}')
    cfg = Config.fromfile(config)
    cfg.update(work_dir='run', launcher='none', experiment_name=str(tmp_path))  # unique
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        runner = build_runner(cfg, ['train_dataloader', 'val_dataloader'], [], progress)
    runner.logger.info('a message')
    captured = capfd.readouterr()
    assert ('a message' in captured.out) == progress.verbose
    assert ('mmengine' in captured.out) == progress.verbose
    (log,) = (tmp_path / 'run').glob('*/*.log')
    assert 'a message' in log.read_text()
