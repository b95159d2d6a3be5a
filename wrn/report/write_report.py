"""Write the files of a report."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from wrn.inference.explanations import MODULES
from wrn.report.collect import add_images
from wrn.report.content import Content, OtherImage, Subject
from wrn.report.json_report import format_report
from wrn.report.near_images import FoundNear, find_near_groups
from wrn.report.parts import make_part
from wrn.report.plots import find_plots
from wrn.training.evaluation import REPORT_FILES, Report
from wrn.training.evaluation.calibration import group_by_confidence
from wrn.training.evaluation.image_results import ImageResults
from wrn.training.evaluation.line_chart import Curves
from wrn.training.hooks.record_images import RecordedTest
from wrn.utils.csv_text import format_csv
from wrn.utils.existing import check_free
from wrn.utils.files import write_atomically
from wrn.utils.packages import missing_packages
from wrn_base.errors import count, some
from wrn_base.run_progress import SILENT, RunProgress

PAGE = 'index.html'
"""The name of the page in the folder of a report."""
_UNFINISHED = 'all but the figures of the test: the report is unfinished, or was interrupted'
_SEVERAL_LABELS = (
    'confusion matrix, calibration, images, embedding and near-duplicates: made only of tests with '
    'one label for each image'
)
# The parts that need packages of the extra ``report``, with the modules of these.
_NEEDS = {
    'page': ('jinja2',),
    'near-duplicates': ('imagehash',),
    'heat maps': MODULES,
    'embedding': ('sklearn',),
}
_logger = logging.getLogger('wrn')


def check_report_free(folder: str | Path, overwrite: bool = False) -> None:
    """Check that a report can be written without replacing another one.

    Args:
        folder: The folder of the report.
        overwrite: Whether to replace a report in it. Defaults to False.

    Raises:
        WrnError: If there is a file of a report in it.
    """
    for name in REPORT_FILES:
        check_free(Path(folder, name), overwrite)


def write_report(
    folder: str | Path,
    report: Report,
    test: RecordedTest,
    subject: Subject,
    make_curves: Callable[[], Curves] | None = None,
    progress: RunProgress = SILENT,
    overwrite: bool = False,
) -> None:
    """Write the files of a report: tables, plots, ``report.json``, and a page.

    The figures of the test are written first. A part that fails is left out, which is logged and
    stands in the report. Without the packages of the extra ``report`` there is no page.

    Args:
        folder: The folder. It is made if it does not exist.
        report: The metrics.
        test: The test, and its results for each image.
        subject: What the report is of.
        make_curves: Makes the curves of the training. Defaults to None: there are none.
        progress: Receives the phases. Defaults to nobody.
        overwrite: Whether to replace a report in it. Defaults to False.

    Raises:
        WrnError: If a file cannot be written, or exists.
    """
    check_report_free(folder, overwrite)
    progress.phase('drawing the report')
    cautions = [*subject.cautions, *_find_empty(report)]
    content = Content(subject.title, subject.facts, report, cautions=cautions)
    unfinished = replace(content, left_out=[_UNFINISHED])
    figures = {**_format_tables(report), 'report.json': format_report(unfinished)}
    _write(folder, figures)
    for name in {*REPORT_FILES} - {*figures}:  # of the report that this one replaces
        Path(folder, name).unlink(missing_ok=True)
    curves = make_part(content, 'curves', make_curves) if make_curves else None
    content.charts = curves.charts if curves else ()
    missing = missing_packages('jinja2', extra='report')
    _warn_of_missing(folder, [*_NEEDS] if test.images else ['page'])
    if images := test.images:
        _add_near(content, test, images, subject.others, progress)
        content.bins = group_by_confidence(images.top_scores[:, 0], images.correct)
        add_images(
            content,
            test,
            images,
            lambda done: progress.phase(f'drawing image {done}'),
            thumbnails=not missing,
        )
    else:
        content.left_out.append(_SEVERAL_LABELS)
    files = {
        name: make_part(content, name, draw)
        for name, draw in find_plots(folder, content, curves).items()
    }
    if missing:
        content.left_out.append(f'page, with its thumbnails and heat maps: {missing}')
    else:
        files[PAGE] = make_part(content, 'page', lambda: _render(content))
    files['report.json'] = format_report(content)
    _write(folder, {name: file for name, file in files.items() if file is not None})


def _find_empty(report: Report) -> Iterator[str]:
    """Yield a sentence if a class has no images."""
    empty = [metrics.name for metrics in report.classes if not metrics.support]
    if empty and report.accuracy:
        verb = 'has' if len(empty) == 1 else 'have'
        number = count(len(empty), 'class')
        yield (
            f'{number} {verb} no test images ({some(empty)}), so the balanced accuracy is that of '
            'the others'
        )


def _warn_of_missing(folder: str | Path, parts: Sequence[str]) -> None:
    """Say in one line which parts are left out, since packages are missing."""
    if without := [part for part in parts if missing_packages(*_NEEDS[part])]:
        modules = dict.fromkeys(chain(*(_NEEDS[part] for part in without)))
        missing = missing_packages(*modules, extra='report')
        _logger.warning('%s: without %s, since %s', folder, ', '.join(without), missing)


def _render(content: Content) -> bytes:
    from wrn.report.page import render_page

    return render_page(content).encode()


def _write(folder: str | Path, files: Mapping[str, bytes]) -> None:
    for name, text in files.items():
        with write_atomically(Path(folder, name)) as file:
            file.write(text)


def _add_near(
    content: Content,
    test: RecordedTest,
    images: ImageResults,
    others: Sequence[OtherImage],
    progress: RunProgress,
) -> None:
    if not len(images.indices):
        return
    if missing := missing_packages('imagehash', extra='report'):
        content.left_out.append(f'near-duplicates: {missing}')
        return
    labels = np.zeros(len(test.dataset), dtype=np.int64)
    labels[images.indices] = images.labels

    def find() -> FoundNear:
        return find_near_groups(
            test.dataset,
            labels.tolist(),
            others,
            lambda done, total: progress.phase(f'comparing image {done} of {total}'),
        )

    if found := make_part(content, 'near-duplicates', find):
        content.near, content.near_note = found.groups, found.note
        content.cautions = [*content.cautions, *found.cautions]
        for caution in found.cautions:
            _logger.warning('report of %s: %s', content.title, caution)


def _format_tables(report: Report) -> dict[str, bytes]:
    names = [metrics.name for metrics in report.classes]
    tables: dict[str, list[list[Any]]] = {
        'classes.csv': [['class', 'precision', 'recall', 'f1', 'support']]
        + [['' if x != x else x for x in vars(metrics).values()] for metrics in report.classes]
    }
    if report.confusion is not None:
        counts = zip(names, report.confusion.tolist(), strict=True)
        tables['confusion.csv'] = [['class', *names], *([name, *row] for name, row in counts)]
    return {name: format_csv(rows) for name, rows in tables.items()}
