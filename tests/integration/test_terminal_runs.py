"""What stands in a terminal of 80 and of 100 columns while and after a command runs."""

import os
import re
import signal

import pytest
from commands import run_wrn
from small_run import write_classes, write_config
from terminal_run import run_in_terminal

DIGITS = 'wide-resnet16-2_1xb64_digits'
EPOCH = r'epoch {}/3  loss [\d.e-]+  accuracy [\d.]+ %  best [\d.]+ %  lr [\d.e-]+'
SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A small config, its images, and a run of it. The tests do not change these."""
    folder = tmp_path_factory.mktemp('small')
    for name, number in (('train', 8), ('val', 3)):
        write_classes(folder / 'data' / name, ['ape', 'bee', 'cat'], number)
    write_config(folder / 'small.py', 'train_cfg["max_epochs"] = 3\n')
    (folder / 'done').mkdir()
    result = run_wrn(['train', 'small.py', '--work-dir', 'done'], 120, folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def work(folder, tmp_path):
    """The path of a new work folder, which is short enough for the terminal."""
    (folder / tmp_path.name).symlink_to(tmp_path)
    return tmp_path.name


@pytest.fixture(params=[80, 100])
def columns(request):
    return request.param


def check(seen, code=0):
    """Check what holds for all commands."""
    assert seen.code == code, seen.text
    assert seen.log_lines == []
    assert seen.overlong == []
    assert b'\x1b[?25l' not in seen.raw  # a hidden cursor would stay so if the process is killed
    assert not [line for line in seen.lines if line[0] in f'━╸╺{SPINNER}']  # no live line is left


def phases(seen):
    """Return what the spinner said, in order, without its frames and times."""
    said = [re.sub(r' +\d+:\d\d$', '', line[2:]) for line in seen.drawn if line[0] in SPINNER]
    return [text for i, text in enumerate(said) if text not in said[:i]]


def test_training(folder, work, columns):
    seen = run_in_terminal(['train', 'small.py', '--work-dir', work], columns, folder)
    check(seen)
    start, *rest = phases(seen)
    assert start == 'starting'
    assert {'reading data', 'building the network', 'first step'} < set(rest)
    log, estimate, *epochs, whole, checkpoint, test = seen.lines
    assert re.fullmatch(rf'wrn: the log is in {work}/\d+_\d+/\d+_\d+\.log', log)
    assert re.fullmatch(r'wrn: about \d+ s for 3 epochs on this CPU', estimate)
    assert len(epochs) == 3
    for number, line in enumerate(epochs, 1):
        assert re.fullmatch(EPOCH.format(number), line)
    assert re.fullmatch(r'3 epochs in 0:\d\d', whole)
    assert re.fullmatch(rf'last checkpoint: {work}/epoch_3\.pth \(accuracy [\d.]+ %\)', checkpoint)
    assert test == f'test it with: wrn test small.py {work}/epoch_3.pth'
    # The bar is full in the end.
    assert re.match('━+ epoch 3/3 ', seen.bars[-1])
    assert any(re.search(r'step \d/3  loss [\d.]+ .* images/s ', bar) for bar in seen.bars)
    assert any(re.search(r'epoch 1/3 .* left$', bar) for bar in seen.bars)


def test_testing(folder, work, columns):
    words = ['test', 'small.py', 'done/epoch_3.pth', '--work-dir', work]
    seen = run_in_terminal(words, columns, folder)
    check(seen)
    assert re.match(r' accuracy +\d+\.\d % \(\d+ of \d+; 95 % interval \d+ to \d+\)', seen.lines[0])
    assert re.match(r'━+ test step 2/2 ', seen.bars[-1])
    seen = run_in_terminal([*words, '--report', f'{work}/report'], columns, folder)
    check(seen)
    assert any(re.fullmatch(' class +precision +recall +F1 +images', line) for line in seen.lines)
    assert seen.lines[-1] == f'wrote {work}/report/index.html'


def test_fine_tuning(folder, work, columns):
    words = ['finetune', 'data', '--model', DIGITS, '--epochs', '3', '--work-dir', work]
    seen = run_in_terminal(words, columns, folder)
    check(seen)
    assert phases(seen)[:2] == ['starting', 'reading data']
    text = '\n'.join(seen.lines)
    said = ' '.join(text.split())
    assert re.search(r' wrn: data: val has \d+ images, too few to .*: 80 % means \d+ to', said)
    for number in (1, 2, 3):
        assert re.search(EPOCH.format(number), text)
    assert any(bar.startswith('━') and ' test step ' in bar for bar in seen.bars)
    assert re.search(rf'\nuse it with: wrn predict IMAGE --model {work}/data-\w+\.pth$', text)


def test_overfitting(folder, columns):
    seen = run_in_terminal(['overfit', 'small.py', '--steps', 20], columns, folder)
    check(seen)
    assert seen.lines[-1] == 'the setup can learn: it overfits the batch'
    assert re.match(r'[━╸╺]+ step +\d+/20  loss [\d.]+', seen.bars[0])
    assert re.match(r'━+ step', seen.bars[-1])  # full, although fewer steps were enough


@pytest.mark.parametrize(
    'words',
    [
        ['list'],
        ['list', '--all'],
        ['info', DIGITS],
        ['check-data', 'data/train'],
        ['predict', 'data/val', '--model', DIGITS],
        ['train', '--help'],
    ],
    ids=' '.join,
)
def test_tables_and_help(folder, columns, words):
    seen = run_in_terminal(words, columns, folder)
    check(seen)
    assert seen.lines


def test_several_batches_show_progress(folder):
    words = ['predict', 'data/val', '--model', DIGITS, '--batch-size', 1]
    seen = run_in_terminal(words, 80, folder)
    check(seen)
    assert any(re.match(r'Predicting ━', line) for line in seen.drawn)
    assert 'Predicting' not in seen.text


@pytest.mark.parametrize(('key', 'code'), [(b'\x03', 130), (signal.SIGTERM, os.EX_TEMPFAIL)])
def test_a_run_that_is_stopped(folder, work, key, code):
    words = ['train', 'small.py', '--work-dir', work, '--cfg-options', 'train_cfg.max_epochs=999']
    seen = run_in_terminal(words, 80, folder, send=('epoch   2/999  loss ', key))
    check(seen, code)
    *_, said = seen.text.partition('\nwrn: stopped ')
    assert re.match(r'(by SIGTERM )?(in|after) epoch \d', said)
    assert said.replace('\n     ', ' ').endswith('run again with --resume')


def test_a_run_that_is_stopped_before_it_starts(folder):
    seen = run_in_terminal(['train', 'small.py'], 80, folder, send=('starting', b'\x03'))
    check(seen, 130)
    (line,) = seen.lines
    assert line.startswith('wrn: stopped')


@pytest.mark.parametrize('debug', [{}, {'WRN_DEBUG': '1'}])
def test_an_error_removes_the_live_line(folder, work, debug):
    words = ['train', 'small.py', '--work-dir', work, '--cfg-options']
    words.append('optim_wrapper.optimizer.lr=1e30')
    seen = run_in_terminal(words, 80, folder, debug)
    assert seen.code == 1
    assert ' the loss is ' in seen.text.replace('\n     ', ' ')
    assert ('Traceback' in seen.text) == bool(debug)
    assert not [line for line in seen.lines if line[0] in f'━╸╺{SPINNER}']


def test_a_narrow_terminal(folder, work):
    seen = run_in_terminal(['train', 'small.py', '--work-dir', work], 40, folder)
    assert seen.code == 0
    live = [line for line in seen.drawn if line[0] in f'━╸╺{SPINNER}' or line.startswith('epoch')]
    assert max(map(len, live)) <= 40
    assert any(re.fullmatch(r'[━╸╺]+ epoch 1/3 .*', line) for line in live)


@pytest.mark.parametrize('environment', [{'TERM': 'dumb'}, {'NO_COLOR': '1'}])
def test_terminals_without_colors_or_a_cursor(folder, work, environment):
    seen = run_in_terminal(['train', 'small.py', '--work-dir', work], 80, folder, environment)
    check(seen)
    assert len([line for line in seen.lines if line.startswith('epoch')]) == 3
    live = 'NO_COLOR' in environment
    assert bool(seen.bars) == live
    assert (seen.lines[0] == 'wrn: starting') != live
    assert (b'\x1b' in seen.raw) == live
    assert b'm\xe2\x94\x81' not in seen.raw  # no color before the bar


def test_the_log_on_the_screen(folder, work):
    words = ['train', 'small.py', '--work-dir', work, '--verbose']
    seen = run_in_terminal(words, 80, folder)
    assert seen.code == 0
    assert seen.bars == []
    assert any(re.search(r' - mmengine - INFO - Epoch\(train\)', line) for line in seen.drawn)
    assert not [line for line in seen.drawn if line.startswith('epoch')]


def test_without_a_terminal(folder, tmp_path):
    result = run_wrn(['train', 'small.py', '--work-dir', str(tmp_path / 'w')], 120, folder)
    assert result.returncode == 0
    start, log, estimate, *epochs, whole = result.stderr.splitlines()
    assert start == 'wrn: starting'
    assert log.startswith('wrn: the log is in ')
    assert estimate.startswith('wrn: about ')
    for number, line in enumerate(epochs, 1):
        assert re.fullmatch(EPOCH.format(number) + r'(  0:\d\d left)?', line)
        assert line.endswith('left') == (number < 3)
    assert len(epochs) == 3
    assert re.fullmatch(r'3 epochs in 0:\d\d', whole)
    assert [line.partition(':')[0] for line in result.stdout.splitlines()] == [
        'last checkpoint', 'test it with',
    ]  # fmt: skip
    (log,) = (tmp_path / 'w').glob('*/*.log')
    for text in ('FileClient', 'Epoch(train) [3][3/3]', 'Saving checkpoint at 3 epochs'):
        assert text in log.read_text()
