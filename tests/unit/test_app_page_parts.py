"""The HTML of the page of the application."""

import base64

from wrn.app import page_parts
from wrn.app.classification import Answer
from wrn.app.refusal import Refusal


def test_hostile_class_names_are_texts():
    """The page has them in its description, and in the table and the label of an image."""
    name = '<img src=x onerror="alert(1)">${alert(2)}{{value}}\u202e' + 'x' * 300
    html = page_parts.description(dict(classes=[name]))
    for part in ('<img', '${', '{{', '\u202e'):
        assert part not in html
    assert '&lt;img src=x' in html
    label = page_parts.predictions(
        dict(predictions=[dict(pred_label=0, pred_class=name, pred_score=1.0)])
    )
    assert '\u202e' not in label
    assert '<img' not in label


def test_percents_that_are_rounded_are_bounds():
    """As in the report: what is shown as 0 or 100 % is that."""
    scores = (0.999998, 0.000002, 1.0, 0.0, 0.1234)
    shown = ('&gt; 99.9 %', '&lt; 0.1 %', '100.0 %', '0.0 %', '12.3 %')
    for score, percent in zip(scores, shown, strict=True):
        record = dict(predictions=[dict(pred_label=0, pred_score=score, pred_class='a')])
        assert f'<span>{percent}</span>' in page_parts.predictions(record)
        assert f'<td>{percent}</td>' in page_parts.table(['a.png'], [Answer(record, None)])


def csv_of(html):
    content = html.partition('base64,')[2].partition('"')[0]
    return base64.b64decode(content).decode().splitlines()


def test_an_error_does_not_repeat_the_name_in_its_row():
    html = page_parts.table(['a.png'], [Refusal(415, 'a.png: not an image')])
    assert csv_of(html)[1:] == ['a.png,,,not an image']
    assert '<td>a.png</td><td>not an image</td>' in html


def test_formulas_are_escaped_in_the_table():
    record = dict(predictions=[dict(pred_label=0, pred_score=0.5, pred_class='=1+1')])
    html = page_parts.table(['@SUM(A1).png'], [Answer(record, None)])
    assert csv_of(html) == [
        'file,class,probability,error',
        "'@SUM(A1).png,'=1+1,0.5,",
    ]
