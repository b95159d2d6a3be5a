"""Write the files of a report."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wrn.report.collect import add_images
from wrn.report.content import Content
from wrn.report.json_report import format_report
from wrn.report.near_pairs import OtherImage, find_near_pairs
from wrn.report.plots import draw_plots
from wrn.training.evaluation import REPORT_FILES, Report
from wrn.training.evaluation.calibration import group_by_confidence
from wrn.training.evaluation.image_results import ImageResults
from wrn.training.evaluation.line_chart import Curves
from wrn.training.hooks.record_images import RecordedTest
from wrn.utils.csv_text import format_csv
from wrn.utils.existing import check_free
from wrn.utils.files import write_atomically
from wrn.utils.packages import missing_packages
from wrn_base.run_progress import SILENT, RunProgress

PAGE = 'index.html'
"""The name of the page in the folder of a report."""
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
    facts: Sequence[tuple[str, str]],
    curves: Curves | None = None,
    others: Sequence[OtherImage] = (),
    progress: RunProgress = SILENT,
    overwrite: bool = False,
) -> None:
    """Write the files of a report: tables, plots, ``report.json``, and a page.

    Without the packages of the extra ``report`` there is no page, which is logged.

    Args:
        folder: The folder. It is made if it does not exist.
        report: The metrics.
        test: The test, and its results for each image.
        facts: What :func:`wrn.report.facts.list_facts` returns.
        curves: The curves of the training. Defaults to None.
        others: The images of other splits, to be compared with those of the test. Defaults to none.
        progress: Receives the phases. Defaults to nobody.
        overwrite: Whether to replace a report in it. Defaults to False.

    Raises:
        WrnError: If a file cannot be written, or exists.
    """
    check_report_free(folder, overwrite)
    progress.phase('drawing the report')
    content = Content(dict(facts)['model'], facts, report, charts=curves.charts if curves else ())
    images = test.images
    if images:
        _add_near_pairs(content, test, images, others, progress)
        content.bins = group_by_confidence(images.top_scores[:, 0], images.correct)
    else:
        content.left_out.append('images: those of a test with several labels have no galleries')
    missing = missing_packages('jinja2', extra='report')
    if missing:
        content.left_out.append(f'page: {missing}')
        _logger.warning('%s: not written, since %s', Path(folder, PAGE), missing)
    elif images:
        add_images(content, test, images, lambda done: progress.phase(f'drawing image {done}'))
    files = {**_format_tables(report), **draw_plots(folder, report, content.bins, curves)}
    files['report.json'] = format_report(content)
    if not missing:
        from wrn.report.page import render_page

        files[PAGE] = render_page(content).encode()
    for name, text in files.items():
        with write_atomically(Path(folder, name)) as file:
            file.write(text)
    for name in {*REPORT_FILES} - {*files}:  # of the report that this one replaces
        Path(folder, name).unlink(missing_ok=True)


def _add_near_pairs(
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
    content.near, content.near_note = find_near_pairs(
        test.dataset,
        labels.tolist(),
        others,
        lambda done, total: progress.phase(f'comparing image {done} of {total}'),
    )


def _format_tables(report: Report) -> dict[str, bytes]:
    names = [metrics.name for metrics in report.classes]
    tables: dict[str, list[list[Any]]] = {
        'classes.csv': [['class', 'precision', 'recall', 'f1', 'support']]
        + [list(vars(metrics).values()) for metrics in report.classes]
    }
    if report.confusion is not None:
        counts = zip(names, report.confusion.tolist(), strict=True)
        tables['confusion.csv'] = [['class', *names], *([name, *row] for name, row in counts)]
    return {name: format_csv(rows) for name, rows in tables.items()}
