"""Nothing that a file or a server says reaches the terminal as more than text in one line."""

import ast
import io
import json
import os

import pytest
import torch
from PIL import Image

from wrn.checkpoints import read_checkpoint
from wrn_base.cli import main
from wrn_base.tables import print_table
from wrn_base.terminal import printable, say, show, show_command, show_line, wrap

HOSTILE = 'a\x1b]0;OWNED\x07\x9b31m\nwrn: error: b\r\u202egnp.exe\udc80'
ESCAPED = r'a\x1b]0;OWNED\x07\x9b31m\nwrn: error: b\r\u202egnp.exe\udc80'
DIGITS = 'wide-resnet16-2_1xb64_digits'


def test_printable():
    assert printable(HOSTILE) == ESCAPED
    for text in ('cat.png', 'été 猫\u3000🧑\u200d🚀', '\u0645\u06cc\u200c\u062e', r'C:\x', ''):
        assert printable(text) == text
    assert printable('https://user:pass@x.org/a.png') == 'https://***@x.org/a.png'


def test_output_is_one_line(capsys):
    say(HOSTILE)
    show(HOSTILE)
    captured = capsys.readouterr()
    assert captured.err == f'wrn: {ESCAPED}\n'
    assert captured.out == f'{ESCAPED}\n'
    print_table([(HOSTILE, ['two', 'lines'])])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ['two', 'lines']
    assert ESCAPED in lines[0]


class _Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return 2


def test_messages_wrap_between_words_in_a_terminal(monkeypatch):
    """Scripts, which read a pipe, get one line."""
    monkeypatch.setattr('os.get_terminal_size', lambda _: os.terminal_size((40, 24)))
    text = f'wrn: a-b: 12 images of {"x" * 50}.png cannot be read; replace them'
    assert wrap(text, io.StringIO()) == text
    assert wrap(text, _Terminal()).splitlines() == [
        'wrn: a-b: 12 images of',
        f'     {"x" * 50}.png',
        '     cannot be read; replace them',
    ]
    command = "test it with: wrn test my.py 'a run/best.pth'"
    monkeypatch.setattr('sys.stdout', screen := _Terminal())
    show_command(command)
    assert screen.getvalue().splitlines() == [
        'test it with: wrn test my.py \\',  # a shell takes both lines as one
        "     'a run/best.pth'",  # it would take a break for a part of the name
    ]
    assert wrap('wrn: short', _Terminal()) == 'wrn: short'
    for stream, write in (('stderr', say), ('stdout', show)):
        monkeypatch.setattr(f'sys.{stream}', screen := _Terminal())
        write('word ' * 20)
        assert max(map(len, screen.getvalue().splitlines())) <= 40
    monkeypatch.setattr('sys.stdout', screen := _Terminal())
    show_line(f"x = ['{'word ' * 20}']")  # code has another meaning on other lines
    assert screen.getvalue() == f"x = ['{'word ' * 20}']\n"


def test_all_output_goes_through_these_functions(checkout):
    """`print` stands in one file of the package. Docstrings have examples of it."""
    callers = [
        path.name
        for package in ('wrn', 'wrn_base')
        for path in sorted((checkout / package).rglob('*.py'))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, 'id', None) == 'print'
    ]
    assert callers == ['terminal.py'] * 3


@pytest.fixture
def clean(capsys):
    """Run a command, and check what it printed for raw control characters."""

    def run(*argv):
        try:
            main([str(word) for word in argv])
            code = 0
        except SystemExit as exit:
            code = exit.code
            print(code)
        captured = capsys.readouterr()
        text = captured.out + captured.err
        assert not set(text) & set('\x1b\x07\x9b\r\u202e'), text
        assert not [line for line in text.splitlines() if line.startswith('wrn: error: b')]
        return text

    return run


NAME = HOSTILE.replace('\udc80', '') + '.png'  # Pillow writes no surrogates


def test_names_of_images_and_classes(clean, tmp_path):
    for label in ('a', NAME):
        for i in range(3):
            path = tmp_path / 'data' / label / f'{i}{NAME}'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (16, 16), (80 * i, 0, 0)).save(path, 'png')
    (tmp_path / 'data' / 'a' / f'broken{NAME}').write_bytes(b'x')
    assert r'\x1b]0;OWNED' in clean('predict', tmp_path / 'data')
    assert r'\x1b]0;OWNED' in clean('check-data', tmp_path / 'data')
    assert r'\x1b]0;OWNED' in clean('predict', tmp_path / NAME)
    assert r'\x1b]0;OWNED' in clean('info', tmp_path / NAME)
    assert r'\x1b]0;OWNED' in clean('predict', 'x', '--out', tmp_path / 'none' / NAME)
    assert r'\x1b]0;OWNED' in clean('list', HOSTILE)


def test_keys_and_metadata_of_a_file(clean, tmp_path, monkeypatch, digits_weights):
    monkeypatch.chdir(tmp_path)
    content = read_checkpoint(digits_weights)
    content['meta'].pop('sha256_of_tensors', None)
    content['meta'] |= dict(source=HOSTILE, license=HOSTILE)
    content['meta']['dataset_meta'] = dict(classes=[f'{HOSTILE}{i}' for i in range(10)])
    torch.save({**content, HOSTILE: 1}, 'a.pth')
    torch.save({f'{HOSTILE}.a': torch.ones(1), HOSTILE: 1}, 'keys.pth')
    Image.new('RGB', (16, 16)).save('a.png')
    for arguments in (
        ['info', 'a.pth'],
        ['info', 'keys.pth'],
        ['predict', 'a.png', '--model', 'a.pth'],
        ['convert', 'a.pth', 'c'],
        ['convert', 'keys.pth', 'c'],
        ['publish', 'a.pth', 'p'],
        ['predict', 'a.png', '--checkpoint', 'keys.pth'],
    ):
        assert r'\x1b]0;OWNED' in clean(*arguments), arguments


def test_arguments_in_errors_of_usage(clean):
    assert r'\x1b]0;OWNED' in clean('info', 'a', HOSTILE)


def test_json_on_standard_output_is_valid(capsys, tmp_path):
    Image.new('RGB', (16, 16)).save(tmp_path / NAME, 'png')
    main(['predict', str(tmp_path), '--model', DIGITS, '--json'])
    record = json.loads(capsys.readouterr().out)
    assert record['img_path'] == str(tmp_path / NAME)
