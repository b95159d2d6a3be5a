"""The files that the page names: by the names that they have for the user, and no others."""

import base64
import csv
import io

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


def test_values_of_files_of_wrong_types_do_not_reach_gradio(client, capfd):
    wrong = dict(size='large', mime_type=3, is_stream='a', meta=3, url=3)
    (html,) = send_event(client, [dict(path=upload(client, encoded())) | wrong])
    assert [row['file'] for row in rows(html)] == ['a.png']
    assert capfd.readouterr().err == ''
