"""Cells that a spreadsheet would run are escaped if the user asks for it, and only then."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from wrn.utils.csv_text import SAFE, format_csv
from wrn_base.cli import main

FORMULAS = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1']


@pytest.mark.parametrize('formula', FORMULAS)
def test_formulas(formula, monkeypatch):
    rows = [[formula, -1.5, 'a=1']]
    assert next(csv.reader(io.StringIO(format_csv(rows).decode(), newline='')))[0] == formula
    monkeypatch.setenv(SAFE, '1')
    assert format_csv(rows).decode().strip('"').startswith(f"'{formula}")
    assert format_csv([[-1.5, 'a=1']]) == b'-1.5,a=1\n'


@pytest.mark.parametrize('safe', [True, False])
def test_predict_and_check_data(safe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SAFE, '')
    for i, name in enumerate(('=cmd', 'b')):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((16, 16, 3), 99 * i, np.uint8)).save(f'{name}/=0.png')
    (tmp_path / '=cmd' / 'broken.png').write_bytes(b'x')
    options = ['--csv-safe'] if safe else []
    main(['predict', '=cmd', 'b', '--out', 'p.csv', *options])
    with pytest.raises(SystemExit):
        main(['check-data', '.', '--out', 'c.csv', *options])
    first = "'=cmd" if safe else '=cmd'
    with open('p.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['img_path'] for row in rows] == [
        f'{first}/=0.png',
        f'{first}/broken.png',
        'b/=0.png',
    ]
    assert f'\nunreadable,{first}/broken.png,' in (tmp_path / 'c.csv').read_text()
