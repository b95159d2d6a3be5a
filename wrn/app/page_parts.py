"""The parts of the page that are HTML. All text from files and models is escaped."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wrn.app.classification import Answer
from wrn.app.refusal import Refusal
from wrn.inference.explained_images import ExplainedImage
from wrn.inference.heat_map import overlay
from wrn.inference.seen_pixels import enlarge
from wrn.results.drawing_files import encode_png
from wrn.results.record import Prediction, Record
from wrn.utils.csv_text import format_csv
from wrn_base.percent import format_percent
from wrn_base.terminal import printable

CSS = """
.wrn-scroll { overflow-x: auto; max-height: 24rem; overflow-y: auto; }
.wrn-scroll table { border-collapse: collapse; width: 100%; }
.wrn-scroll table, .wrn-scroll tr { border: none; }
.wrn-scroll td:last-child { overflow-wrap: anywhere; }
.wrn-scroll th, .wrn-scroll td {
  text-align: left; vertical-align: top; padding: .3rem .6rem; border: none; min-width: 5.5rem;
  max-width: 40rem; overflow-wrap: break-word; unicode-bidi: isolate;
  border-bottom: 1px solid var(--border-color-primary);
}
#wrn-table td { overflow-wrap: anywhere; }
.wrn-note, .wrn-caption { font-size: .9em; overflow-wrap: anywhere; }
.wrn-problem { color: var(--error-text-color); overflow-wrap: anywhere; }
.wrn-heading { overflow-wrap: anywhere; }
.wrn-heat { position: relative; max-width: 20rem; }
.wrn-heat img { display: block; width: 100%; }
.wrn-heat .wrn-map { position: absolute; inset: 0; }
.wrn-class { margin: .6rem 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
.wrn-class div:first-child { display: flex; justify-content: space-between; gap: 1rem; }
.wrn-class div:first-child span:last-child { white-space: nowrap; }
.wrn-bar { height: .5rem; background: var(--border-color-primary); border-radius: .25rem; }
.wrn-bar div { height: 100%; background: var(--color-accent); border-radius: .25rem; }
"""
_SHOWN_CLASSES = 1000
_LONGEST = 300  # characters of a name
_NAMES = {
    'num_classes': 'number of classes',
    'multi_label': 'any number of classes an image',
    'params': 'parameters',
    'sha256': 'SHA-256',
    'sha256_of_tensors': 'SHA-256 of tensors',
    'limits': 'limit',
    'heatmaps': 'heat maps',
}


def text(value: object) -> str:
    """Return a text as HTML, without anything that a template engine or a browser would obey."""
    escaped = html.escape(printable(str(value)))
    return escaped.replace('{', '&#123;').replace('}', '&#125;').replace('$', '&#36;')


def heading(about: Mapping[str, Any]) -> str:
    """Return the title of the page, with the limitations of the model."""
    limitations = f'<p><b>Limitations:</b> {text(about["limitations"])}.</p>'
    return f'<h1 class="wrn-heading">{text(about["model"])}</h1>{limitations}'


def note(sentence: str) -> str:
    """Return a sentence in small print; nothing for no sentence."""
    return f'<p class="wrn-note">{text(sentence)}</p>' if sentence else ''


def problem(sentence: str) -> str:
    """Return what is wrong."""
    return f'<p class="wrn-problem" role="alert">{text(sentence)}</p>'


def predictions(record: Record) -> str:
    """Return the classes with bars of their probabilities, the best first."""
    passing = record.get('pred_labels')
    shown = []
    for place, prediction in enumerate(record['predictions']):
        name, score = class_name(prediction), prediction['pred_score']
        if passing is not None:
            name += ' (passes)' if place < len(passing) else ' (does not pass)'
        shown.append(
            f'<div class="wrn-class"><div><span>{text(name)}</span>'
            f'<span>{text(format_percent(100 * score))}</span></div>'
            f'<div class="wrn-bar"><div style="width: {score:.1%}"></div></div></div>'
        )
    return ''.join(shown)


def class_name(prediction: Prediction) -> str:
    """Return the name of a class, or its number if it has none."""
    name = prediction.get('pred_class', f'class {prediction["pred_label"]}')
    return printable(name)[:_LONGEST]


def heat_map(explained: ExplainedImage, strength: float) -> str:
    """Return an image with its heat map over it, whose opacity a slider sets.

    Args:
        explained: The image, and the map of its best class.
        strength: The strength of the heat map now, from 0 to 1.
    """
    (best,) = explained.explanations
    pixels = enlarge(explained.pixels)
    shown = (pixels, overlay(pixels, best['raw_map'], 1))
    below, above = (_data_url('image/png', encode_png(image)) for image in shown)
    return (
        f'<div class="wrn-heat"><img src="{below}" alt="the image as the network sees it">'
        f'<img class="wrn-map" src="{above}" alt="the heat map" style="opacity: {strength:.2f}">'
        f'</div><p class="wrn-caption">What speaks for {text(class_name(best))}: the brighter, the '
        'more.</p>'
    )


def table(names: Sequence[str], answers: Sequence[Answer | Refusal]) -> str:
    """Return the predictions of several images as a table, with a link to download it as CSV.

    Args:
        names: The name of each file.
        answers: The answer for each.
    """
    rows = [_row(name, answer) for name, answer in zip(names, answers, strict=True)]
    header = ('file', 'class', 'probability', 'error')
    content = format_csv([header, *rows], safe=True)
    link = (
        f'<p><a id="wrn-download" download="predictions.csv" '
        f'href="{_data_url("text/csv", content)}">Download as CSV</a></p>'
    )
    shown = [
        (name, label or error, '' if error else format_percent(100 * score))
        for name, label, score, error in rows
    ]
    return link + _table(shown, ('file', 'class', 'probability'))


def description(about: Mapping[str, Any]) -> str:
    """Return all that is known of a model, as a table."""
    rows: list[tuple[object, object]] = []
    for key, value in about.items():
        name = _NAMES.get(key, key).replace('_', ' ')
        if key == 'classes' and value:
            more = len(value) - _SHOWN_CLASSES
            names = ', '.join(printable(str(name))[:_LONGEST] for name in value[:_SHOWN_CLASSES])
            rows.append((name, names + (f' and {more} more' if more > 0 else '')))
        elif isinstance(value, Mapping):
            rows += [(f'{name}: {part}'.replace('_', ' '), _join(v)) for part, v in value.items()]
        else:
            rows.append((name, _join(value)))
    return _table(rows)


def _row(name: str, answer: Answer | Refusal) -> tuple[str, str, Any, str]:
    if isinstance(answer, Refusal):
        return name, '', '', str(answer).removeprefix(f'{name}: ')
    best = answer.record['predictions'][0]
    return name, class_name(best), best['pred_score'], ''


def _table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    cells = [''.join(f'<td>{text(cell)}</td>' for cell in row) for row in rows]
    titles = ''.join(f'<th>{text(title)}</th>' for title in header)
    lines = ''.join(f'<tr>{line}</tr>' for line in [titles, *cells] if line)
    return f'<div class="wrn-scroll"><table>{lines}</table></div>'


def _join(value: object) -> str:
    if isinstance(value, list | tuple):
        return ', '.join(map(str, value))
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return f'{value:,}' if isinstance(value, int) else str(value)


def _data_url(kind: str, content: bytes) -> str:
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'
