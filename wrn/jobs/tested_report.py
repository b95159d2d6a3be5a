"""The report of ``wrn test``."""

from mmengine.config import Config

from wrn.report.content import Subject
from wrn.report.facts import describe_dataset, list_facts
from wrn.report.write_report import write_report
from wrn.training.evaluation import Report
from wrn.training.hooks.record_images import RecordedTest
from wrn.training.small_data import describe_few
from wrn_base.credentials import mask_credentials
from wrn_base.run_progress import RunProgress


def report_test(
    folder: str,
    model: str,
    cfg: Config,
    report: Report,
    tested: RecordedTest,
    precision: str,
    progress: RunProgress,
    overwrite: bool,
) -> None:
    """Write the report of a test.

    Args:
        folder: The folder of the report.
        model: The model, as the user named it.
        cfg: The config of the test.
        report: The metrics.
        tested: The test, and its results for each image.
        precision: The precision of the computation.
        progress: Receives the phases.
        overwrite: Whether to replace a report in the folder.

    Raises:
        WrnError: If a file cannot be written, or exists.
        KeyboardInterrupt: If it is stopped, with what to do.
    """
    data = describe_dataset(cfg, tested.dataset)
    facts = list_facts(cfg, tested.network, model, data, precision=precision)
    few = report.accuracy and describe_few('test', report.accuracy.total, ['measure accuracy'])
    cautions = [caution for caution in (cfg.get('data_caution'), few) if caution]
    subject = Subject(mask_credentials(model), facts, cautions)
    try:
        write_report(folder, report, tested, subject, progress=progress, overwrite=overwrite)
    except KeyboardInterrupt:  # its figures may be there, which the same command does not replace
        message = 'stopped while writing the report; run the same command again with --overwrite'
        raise KeyboardInterrupt(message) from None
