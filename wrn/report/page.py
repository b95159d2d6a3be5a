"""The page of a report: one HTML file that loads nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wrn.report.calibration_chart import draw_calibration
from wrn.report.charts import draw_chart
from wrn.report.confusion_view import view_confusion
from wrn.report.content import Content
from wrn.report.embedding_chart import draw_embedding
from wrn.report.image_cards import embed, make_card, make_data
from wrn.report.near_reasons import SPLIT_NAMES, sort_near
from wrn.report.number_text import cut, make_sentence
from wrn.training.evaluation import BALANCED, Report
from wrn.utils.packages import require_extra
from wrn_base.errors import count
from wrn_base.names import visible
from wrn_base.percent import format_percent
from wrn_base.terminal import printable

_TEMPLATES = Path(__file__).parent / 'templates'
_TOP5 = 5  # classes; of no more than these, the five best always have the true one
_ECE = 'calibration/ece'


@dataclass(frozen=True)
class Headline:
    """A figure at the top of the page, with what it means."""

    name: str
    value: str
    note: str


def render_page(content: Content) -> str:
    """Render the page of a report.

    The page loads nothing, runs nothing that a name says, and works without JavaScript, except for
    what opens, sorts or points. It needs Jinja2 of the extra ``report``.

    Args:
        content: What it shows. Names of classes and files may be hostile. Images that
            ``content.images`` does not have are left out.

    Returns:
        The text of an HTML file, which can be encoded in UTF-8.

    Raises:
        WrnError: If Jinja2 is not installed.
    """
    require_extra('the page of a report', 'report', 'jinja2')
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_TEMPLATES),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= dict(
        count=partial(count, style=','),
        cut=cut,
        embed=embed,
        percent=format_percent,
        printable=printable,
        sentence=make_sentence,
    )
    return environment.get_template('report.html').render(_collect(content))


def _collect(content: Content) -> dict[str, Any]:
    """Return the variables of the template."""
    cards = {key: make_card(image) for key, image in content.images.items()}
    galleries = [(g, [key for key in g.images if key in cards]) for g in content.galleries]
    inlined = {key for _, keys in galleries for key in keys}
    report = content.report
    confusion = None if report.confusion is None else view_confusion(report.confusion)
    embedding = content.embedding and draw_embedding(content, content.embedding)
    sections = {
        'curves': ('Training', content.charts),
        'confusion': ('Confusion matrix', confusion),
        'images': ('Images', galleries),
        'near': ('Near-duplicates', content.near or content.near_note),
        'classes': ('Classes', report.classes),
        'calibration': ('Calibration', content.bins),
        'embedding': ('Map of images', embedding),
    }
    return dict(
        content=content,
        names=[visible(metrics.name) for metrics in report.classes],
        sections={name: title for name, (title, shown) in sections.items() if shown},
        headlines=list(_find_headlines(report)),
        decimals=report.accuracy.decimals if report.accuracy else 1,
        charts=[draw_chart(chart) for chart in content.charts],
        confusion=confusion,
        galleries=galleries,
        cards=cards,
        near=list(sort_near(content.near)),
        split_names=SPLIT_NAMES,
        calibration=draw_calibration(content.bins),
        calibration_words=list(_explain_calibration(content)),
        embedding=embedding,
        data=make_data(content, cards, inlined),
    )


def _find_headlines(report: Report) -> Iterator[Headline]:
    if report.accuracy is None:
        titles = {'mAP': 'mAP', 'precision': 'Precision', 'recall': 'Recall', 'f1-score': 'F1'}
        for name, title in titles.items():
            if (mean := report.metrics.get(f'multi-label/{name}')) is not None:
                note = 'mean average precision, ' if name == 'mAP' else ''
                yield Headline(title, format_percent(mean), f'{note}mean over the classes')
        return
    value, _, details = str(report.accuracy).partition(' (')
    yield Headline('Accuracy', value, details.removesuffix(')'))
    decimals = report.accuracy.decimals
    if BALANCED in report.metrics:
        note = 'mean recall of the classes: each class counts the same'
        yield Headline(
            'Balanced accuracy', format_percent(report.metrics[BALANCED], decimals), note
        )
    top5 = report.metrics.get('accuracy/top5')
    if top5 is not None and len(report.classes) > _TOP5:
        note = 'the true class is among the five most probable ones'
        yield Headline('Top-5 accuracy', format_percent(top5, decimals), note)
    if (ece := report.metrics.get(_ECE)) is not None:
        note = 'expected calibration error: how far confidence is from accuracy'
        # Few images tell it less exactly than the accuracy.
        yield Headline('ECE', format_percent(ece, report.accuracy.interval_decimals), note)


def _explain_calibration(content: Content) -> Iterator[str]:
    """Yield sentences."""
    tested = content.report.accuracy
    if tested and (ece := content.report.metrics.get(_ECE)) is not None:
        error = format_percent(ece, tested.interval_decimals)
        yield (
            f'The expected calibration error (ECE) is {error}: averaged over the images, this is '
            'how far the confidence in a prediction is from the share of predictions of that '
            'confidence that are correct.'
        )
    if tested and (total := sum(b.count for b in content.bins)):
        means = (
            sum(getattr(b, name) * b.count for b in content.bins) / total
            for name in ('confidence', 'accuracy')
        )
        confidence, accuracy = (format_percent(100 * mean, tested.decimals) for mean in means)
        yield (
            f'Over all {count(total, "image", ",")}, the mean confidence is '
            f'{confidence} and the accuracy is {accuracy}.'
        )
