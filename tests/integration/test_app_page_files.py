"""The files that the page names: by the names that they have for the user, and no others."""

import base64
import csv
import io
import os
from pathlib import Path

import pytest
from app_client import digits_client, encoded, send_event, upload


@pytest.fixture(scope='module')
def client():
    with digits_client() as client:
        yield client


def rows(html):
    """Return the rows of the CSV that a table offers."""
    content = html.partition('base64,')[2].partition('"')[0]
    return list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))


NAMES = {
    '<b>x.png': '<b>x.png',  # Gradio names the file bx.png
    'bx.png': 'bx.png',
    '../../etc/x.png': 'x.png',
    '\ud800.png': '\\ud800.png',
    '\u202egnp.exe': '\\u202egnp.exe',
    'a' * 400: 'a' * 300,
    '/': 'image',
    '': 'a.png',  # that of the path
    None: 'a.png',
}


def test_files_have_their_own_names_in_the_table(client):
    path = upload(client, encoded())
    (html,) = send_event(client, [dict(path=path, orig_name=name) for name in NAMES])
    assert [row['file'] for row in rows(html)] == [*NAMES.values()]
    assert '&lt;b&gt;x.png' in html
    assert '<b>' not in html


def test_a_message_has_the_name_of_the_file(client):
    file = dict(path=upload(client, b'<html>'), orig_name='<b>x.png')
    problem, *_ = send_event(client, file, False, 0.5)
    assert '&lt;b&gt;x.png: not an image' in problem


NOT_UPLOADED = {
    'of the last server': '{outside}/a.png',
    'relative': '{folder}/{relative}/a.png',
    'link': '{folder}/link/a.png',
    'address': 'http://127.0.0.1:1/a.png',
    'null character': '{folder}/\0/a.png',
    'surrogate': '{folder}/\ud800/a.png',
    'folder': '{folder}',
    'empty': '',
}


@pytest.mark.parametrize('case', NOT_UPLOADED)
def test_a_file_that_is_not_uploaded_is_gone(case, client, tmp_path, capfd):
    """A page that stays open while the server is started again names those of the last one."""
    (tmp_path / 'a.png').write_bytes(encoded())
    good = upload(client, encoded())
    folder = Path(os.environ['GRADIO_TEMP_DIR'])
    link = folder / 'link'
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path)
    path = NOT_UPLOADED[case].format(
        outside=tmp_path, folder=folder, relative=os.path.relpath(tmp_path, folder)
    )
    before = {*folder.rglob('*')}
    gone = dict(path=path, orig_name='b.png')
    problem, label, _ = send_event(client, gone, True, 0.5)
    sentence = 'b.png: not kept any longer (No such file or directory); drop it again'
    assert sentence in problem
    assert label == ''
    (problem,) = send_event(client, [dict(path=good, orig_name='good.png'), gone])
    assert sentence in problem
    assert {*folder.rglob('*')} == before  # Gradio copies what it is given from elsewhere
    assert capfd.readouterr().err == ''


def test_values_of_files_of_wrong_types_do_not_reach_gradio(client, capfd):
    wrong = dict(size='large', mime_type=3, is_stream='a', meta=3, url=3)
    (html,) = send_event(client, [dict(path=upload(client, encoded())) | wrong])
    assert [row['file'] for row in rows(html)] == ['a.png']
    assert capfd.readouterr().err == ''
