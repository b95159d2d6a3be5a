"""Names in scripts that matplotlib's own font does not have."""

import logging
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import font_manager, rcParams
from PIL import Image

from wrn.training.evaluation.figures import draw_confusion
from wrn.training.evaluation.fonts import fonts_for


def draw(names):
    file = BytesIO()
    with fonts_for(names, 'confusion.png'):
        draw_confusion(np.eye(2, dtype=int), names).savefig(file, format='png')
        families = list(rcParams['font.family'])
    return np.asarray(Image.open(file)), families


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.set_level(logging.INFO, 'wrn')
    return caplog


def test_names_that_the_usual_font_has(log):
    assert draw(['Häher', 'Жук'])[1] == list(rcParams['font.family'])
    assert log.text == ''


def test_names_that_no_font_has_are_said(log, monkeypatch):
    monkeypatch.setattr(font_manager.fontManager, 'ttflist', [])
    draw(['猫', 'dog'])
    (record,) = log.records
    assert record.getMessage().startswith(
        'confusion.png: no installed font can draw the names 猫, which become numbers; install'
    )


def test_a_font_that_has_them_is_used(log, monkeypatch):
    """As if matplotlib's font had no letter a, and another installed one had."""
    fonts = {font.name: font for font in font_manager.fontManager.ttflist}
    serif = fonts['DejaVu Serif']
    get_font = font_manager.get_font

    def without_a(path, *args, **kwargs):
        font = get_font(path, *args, **kwargs)
        if path == serif.fname:
            return font
        return SimpleNamespace(get_char_index=lambda c: 0 if c == ord('a') else 1, scalable=True)

    with monkeypatch.context() as patch:
        patch.setattr(font_manager, 'get_font', without_a)
        with fonts_for(['a'], 'x.png'):
            assert rcParams['font.family'] == [*rcParams['font.family'][:-1], 'DejaVu Serif']
    assert log.text == ''
