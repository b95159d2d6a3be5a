"""What the display of a run prints outside a terminal, and that a live line survives everything."""

import io
import os
import signal
import sys
import threading
import time

import pytest
from rich.console import Console

from wrn_base import terminal
from wrn_base.display import Display, make_display
from wrn_base.interrupt import exit_at_interrupt
from wrn_base.live_line import LiveLine, is_interactive
from wrn_base.run_progress import SILENT, Epoch, RunProgress, Step
from wrn_base.terminal import report, say, show, without_live_line


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless its first item is changed."""
    now = [1000.0]
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    return now


def step(number, seconds_left=None):
    return Step('train', number, 100, number / 100, 1, 3, 0.5, 10.0, seconds_left)


def test_outside_a_terminal_there_is_a_line_a_minute_and_one_an_epoch(clock, capsys):
    display = Display()
    for phase in ('starting', 'reading data', 'first step'):
        display.phase(phase)
    assert capsys.readouterr().err == 'wrn: starting\n'
    for number in range(1, 101):
        clock[0] += 1
        display.step(step(number, 200 - number))
    assert capsys.readouterr().err == (
        'epoch 1/3  step  60/100  loss 0.5000  10 images/s  2:20 left\n'
    )
    display.epoch(Epoch(1, 3, loss=0.5, rate=0.1))
    clock[0] += 59  # the epoch's line counts, too
    display.step(step(1))
    assert capsys.readouterr().err == 'epoch 1/3  loss 0.5000  lr 1.000e-01  1:40 left\n'
    clock[0] += 1
    display.step(step(2))
    assert (
        capsys.readouterr().err == 'epoch 1/3  step   2/100  loss 0.5000  10 images/s  0:40 left\n'
    )
    display.end('3 epochs in 1:00')
    display.close()
    assert capsys.readouterr().err == '3 epochs in 1:00\n'


def test_the_log_replaces_steps_and_epochs(clock, capsys):
    display = Display(verbose=True)
    display.phase('starting')
    clock[0] += 100
    display.step(step(1))
    display.epoch(Epoch(1, 3))
    display.note('the log is in x.log')
    display.end('1 epoch')
    assert capsys.readouterr().err == 'wrn: starting\nwrn: the log is in x.log\n'


@pytest.mark.parametrize(
    ('seconds', 'on_cpu', 'expected'),
    [
        (100, True, 'about 2 min for 3 epochs on this CPU'),
        (3600, False, 'about 60 min for 3 epochs'),
        (3600, True, 'about 60 min for 3 epochs on this CPU; use a smaller model'),
    ],
)
def test_advice_is_for_long_runs_on_a_cpu(capsys, seconds, on_cpu, expected):
    display = Display(advice='use a smaller model')
    display.estimate(seconds, '3 epochs', on_cpu)
    assert capsys.readouterr().err == f'wrn: {expected}\n'


def test_only_the_first_process_of_a_job_shows_anything(monkeypatch):
    for launcher, variable in (
        ('pytorch', 'RANK'),
        ('slurm', 'SLURM_PROCID'),
        ('mpi', 'OMPI_COMM_WORLD_RANK'),
    ):
        monkeypatch.setenv(variable, '1')
        assert make_display('train', launcher, False) is SILENT
        assert isinstance(
            make_display('train', 'none', False), Display
        )  # a variable of an outer job
        monkeypatch.setenv(variable, '0')
        assert isinstance(make_display('train', launcher, False), Display)
    assert isinstance(make_display('train', 'pytorch', False), Display)


def test_a_silent_run_prints_nothing(capsys):
    for call in (
        SILENT.phase, SILENT.note, SILENT.step, SILENT.epoch, SILENT.end,
    ):  # fmt: skip
        call('x')
    SILENT.estimate(1, 'x', True)
    SILENT.close()
    assert capsys.readouterr() == ('', '')
    assert isinstance(Display(), RunProgress)


class Terminal(io.StringIO):
    """A stream that claims to be a terminal, and can fail."""

    fails = False

    def isatty(self):
        return True

    def write(self, text):
        if self.fails:
            raise OSError(28, 'No space left on device')
        return super().write(text)


@pytest.fixture
def open_terminal(monkeypatch):
    """A function that makes both output streams one terminal. (pytest sets them before a test.)"""

    def open_terminal():
        screen = Terminal()
        monkeypatch.setattr(sys, 'stdout', screen)
        monkeypatch.setattr(sys, 'stderr', screen)
        return screen

    for name, value in dict(TERM='xterm', COLUMNS='80', LINES='25').items():
        monkeypatch.setenv(name, value)
    for name in ('CI', 'NO_COLOR', 'FORCE_COLOR', 'TTY_INTERACTIVE'):
        monkeypatch.delenv(name, raising=False)
    return open_terminal


def test_which_terminals_get_a_live_line(open_terminal, monkeypatch):
    open_terminal()
    assert is_interactive()
    monkeypatch.setenv('NO_COLOR', '1')
    assert is_interactive()
    for name, value in dict(TERM='dumb', CI='true').items():
        with monkeypatch.context() as context:
            context.setenv(name, value)
            assert not is_interactive()
    monkeypatch.setattr(sys, 'stderr', io.StringIO())
    monkeypatch.setenv('FORCE_COLOR', '1')  # a log file with colors is no terminal
    assert not is_interactive()


def test_other_output_appears_above_the_line(open_terminal):
    screen = open_terminal()
    display = Display()
    display.phase('reading data')
    say('a message')
    show('a result')
    report('a line')
    print('of others')
    long = 'x' * 200
    say(long)
    display.close()
    say('after it')
    text = screen.getvalue()
    for line in ('wrn: a message', 'a result', 'a line', 'of others', f'wrn: {long}'):
        assert f'\r\x1b[2K{line}\n' in text  # the live line is erased, and a long line not broken
    assert text.endswith('\x1b[2Kwrn: after it\n')
    assert sys.stdout is sys.stderr is screen
    assert '\x1b[?25l' not in text  # the cursor stays visible, whatever ends the process


def test_results_for_a_file_do_not_go_to_the_terminal(open_terminal, monkeypatch):
    screen = open_terminal()
    file = io.StringIO()
    monkeypatch.setattr(sys, 'stdout', file)
    display = Display()
    display.phase('reading data')
    show('a result')
    print('of others')
    display.close()
    assert file.getvalue() == 'a result\nof others\n'
    assert 'result' not in screen.getvalue()


def test_a_terminal_that_fails_does_not_end_the_run(open_terminal):
    screen = open_terminal()
    display = Display()
    screen.fails = True
    display.phase('reading data')
    display.step(step(1, 5))
    display.epoch(Epoch(1, 3))
    say('a message')
    display.end('1 epoch')
    display.close()
    say('after it')
    assert sys.stderr is screen
    display = Display()
    display.phase('reading data')
    screen.close()
    display.phase('first step')
    display.close()


def test_the_line_is_hidden_while_another_display_uses_the_terminal(open_terminal):
    screen = open_terminal()
    display = Display()
    display.phase('reading data')
    before = len(screen.getvalue())
    with without_live_line():
        display.phase('downloading')
        say('downloading x')
    hidden = screen.getvalue()[before:]
    assert 'wrn: downloading x\n' in hidden
    assert 'reading data' not in hidden
    display.phase('first step')
    display.close()
    assert 'first step' in screen.getvalue()
    with without_live_line():  # there is none
        pass


def test_a_fork_has_no_line_and_no_lock(open_terminal):
    """Data workers are forks. They must not wait for the thread that draws."""
    screen = open_terminal()
    slow = threading.Event()

    class Slow:
        def __rich_console__(self, console, options):
            slow.set()
            time.sleep(0.02)
            yield 'slow'

    line = LiveLine(Slow())
    line.start()
    try:
        for _ in range(10):
            slow.clear()
            assert slow.wait(5)  # the thread draws now
            child = os.fork()
            if child == 0:
                signal.alarm(10)
                good = sys.stderr is screen and terminal._live is None
                say('of a worker')
                LiveLine('its own').start()  # needs the lock that guards the drawing
                os._exit(0 if good else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        line.stop()


def test_ctrl_c_while_torch_is_imported_removes_the_line(open_terminal):
    """That ends the process at once."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 2)
        sys.stderr = os.fdopen(2, 'w')
        sys.stderr.isatty = lambda: True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        Display().phase('starting')
        with exit_at_interrupt():
            signal.raise_signal(signal.SIGINT)
        os._exit(1)
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    with os.fdopen(reader) as file:
        text = file.read()
    assert 'starting' in text
    assert text.endswith('\x1b[2Kwrn: stopped while starting; run the same command again\n')


@pytest.mark.parametrize('columns', [1, 5, 10, 20, 29, 30, 40, 200])
def test_narrow_terminals(columns):
    display = Display()
    for report_something in (
        lambda: display.phase('reading data'),
        lambda: display.step(step(5, 9)),
    ):
        report_something()
        console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
        console.print(display)
        assert len(console.file.getvalue()) <= max(columns - 1, 2)  # room for the cursor
