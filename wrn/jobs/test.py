"""Measure the accuracy of a model: ``wrn.test``, and the command ``wrn test``."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmpretrain.models import MultiLabelClsHead
from typing_extensions import Unpack

from wrn import training
from wrn.checkpoints import ReadOptions
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_test_dataset, set_default
from wrn.jobs.common_options import check_ranges
from wrn.jobs.keywords import check_names
from wrn.jobs.loading import check_calibration, make_read_options
from wrn.jobs.outputs import check_apart, check_distinct, check_out, make_folder
from wrn.jobs.run_options import RunOptions, apply_run_options
from wrn.jobs.settings import name_settings
from wrn.jobs.speed_options import apply_speed_options
from wrn.jobs.tested_report import report_test
from wrn.report.write_report import check_report_free
from wrn.training.checks import check_single_task, get_head
from wrn.training.evaluation import Report, add_metrics, get_report_metrics, has_report
from wrn.training.evaluation.predictions import SUFFIXES
from wrn.training.hooks.record_images import RecordImagesHook
from wrn.training.run_device import get_run_device
from wrn.training.testing_config import make_test_config
from wrn.utils.existing import check_free
from wrn.zoo.resolve import resolve
from wrn_base.errors import WrnError
from wrn_base.run_progress import SILENT

_RESULTS = {
    'pred': ('predictions are', SUFFIXES),
    'metrics': ('metrics are', ('.json', '.yaml', '.yml')),
}


class EvaluationOptions(RunOptions, total=False):
    """Options of a test.

    Attributes:
        data: The folder of images to test on: class folders, directly or below ``test`` or ``val``.
            Defaults to the test data of the config.
        ann_file: A list of image paths below ``data``, and labels. Defaults to class folders.
        out: The file to write results to.
        out_item: What to write to it: ``'pred'``, the predictions (default), or ``'metrics'``.
        report: The folder to write a report to.
        overwrite: Replace results that exist.
        amp: Test in mixed precision.
        tta: Average over the views of ``tta_pipeline`` in the config. Without one, these are the
            image and its mirror image.
        show: Show images with predictions in a window.
        show_dir: The folder to write images with predictions to.
        interval: Show every N-th image. Defaults to 1.
        wait_time: The seconds to show each image. Defaults to 2.
        backend: The backend that runs the network. Defaults to ``'eager'``.
        precision: The precision of the computation. Defaults to ``'float32'``.
        calibration: The folder of images to calibrate ``'int8'`` with.
    """

    data: str | None
    ann_file: str | None
    out: str | None
    out_item: str | None
    report: str | None
    overwrite: bool
    amp: bool
    tta: bool
    show: bool
    show_dir: str | None
    interval: int
    wait_time: float
    backend: str
    precision: str
    calibration: str | None


@dataclass(frozen=True)
class Tested:
    """The results of a test.

    Attributes:
        metrics: The metrics by name, as ``wrn test --json`` prints them: numbers and, without a
            report, lists of numbers. With top-1 accuracy, there are also the ends of its 95 %
            interval, balanced accuracy and calibration.
        classes: The class names of the dataset. None if it has none.
        report: The metrics of each class. None if top-1 accuracy is not measured, unless ``report``
            or the metrics of the config ask for them.
    """

    metrics: Mapping[str, float | list[float]]
    classes: Sequence[str] | None
    report: Report | None


def test(model: str, checkpoint: str | None = None, **options: Unpack[EvaluationOptions]) -> Tested:
    """Measure the accuracy of a model.

    Args:
        model: The name of a model, or the path of a config, a file of weights or an exported file.
        checkpoint: The path or URL of weights. Defaults to None, the model's own.
        **options: The options of the command, see :class:`EvaluationOptions`.

    Returns:
        The metrics, and those of each class.

    Raises:
        WrnError: If the model, the data or an option is wrong.
        TypeError: If an argument is unknown.
    """
    check_names(test, options, EvaluationOptions)
    cfg = make_config(model, checkpoint, options)
    backend, precision = options.get('backend', 'eager'), options.get('precision', 'float32')
    calibration = options.get('calibration')
    check_calibration(calibration, precision)
    read, hooks = make_read_options(options), list[Hook]()
    if cfg.load_from is None and read != ReadOptions():
        raise WrnError(
            f'{model}: an exported file has one set of weights and its own normalization; '
            'leave out --key, --prefix, --mean and --std'
        )
    if (backend, precision) != ('eager', 'float32'):
        if options.get('tta') or options.get('amp') or options.get('compile'):
            raise WrnError(
                '--tta, --amp and --compile: need the eager backend in float32; leave them out, or '
                'leave out --backend and --precision'
            )
        hooks.append(training.EngineHook(backend, precision, calibration))
    overwrite, recorder = options.get('overwrite', False), RecordImagesHook()
    if options.get('report') is not None:
        hooks.append(recorder)
    out = (options.get('out'), options.get('out_item'))
    progress = options.get('progress', SILENT)
    with name_settings(options.get('cfg_options')):
        done = training.test(cfg, *out, hooks, read, progress=progress, overwrite=overwrite)
    report = Report(done.metrics, done.classes) if has_report(done.metrics) else None
    # The main process has the results of each image.
    if (folder := options.get('report')) is not None and (tested := recorder.recorded):
        if report is None:
            raise WrnError(
                f'--report {folder}: not written, since the test has no metrics of each class; '
                'leave out the metrics in test_evaluator of the config that take their place'
            )
        report_test(folder, model, cfg, report, tested, precision, progress, overwrite)
    metrics = report.metrics if report else done.metrics
    plain = {
        name: value for name, value in metrics.items() if isinstance(value, int | float | list)
    }
    return Tested(plain, done.classes, report)


def make_config(model: str, checkpoint: str | None, options: EvaluationOptions) -> Config:
    """Make the config of a test, and apply options to it.

    Args:
        model: As for :func:`test`.
        checkpoint: As for :func:`test`.
        options: The options.

    Returns:
        The config to test with.

    Raises:
        WrnError: If the model or an option is wrong.
    """
    out, item, folder = options.get('out'), options.get('out_item'), options.get('report')
    if out is None and item is not None:
        raise WrnError('--out-item: has no file to write to; add --out FILE')
    folders = dict(show_dir=options.get('show_dir'), work_dir=options.get('work_dir'))
    check_distinct(out, report=folder, **folders)
    if out:
        check_out(out, *_RESULTS[item or 'pred'], options.get('overwrite', False))
    check_ranges(options)
    data, listed = options.get('data'), options.get('ann_file')
    if listed is not None and data is None:
        raise WrnError(f'--ann-file {listed}: its paths are below a folder; add --data FOLDER')
    if checkpoint is not None and Path(checkpoint).is_dir():
        raise WrnError(
            f'{checkpoint}: is a folder, not a file of weights; test on its images with --data'
        )
    cfg = make_test_config(resolve(model), checkpoint, data, listed)
    with config_errors(cfg.filename):
        apply_run_options(cfg, options, data)
        if (size := options.get('batch_size')) is not None:
            cfg.test_dataloader.batch_size = size
        if options.get('amp'):
            if get_run_device(cfg) == 'cpu' != get_device():
                raise WrnError(
                    f'--amp: a test in mixed precision runs on {get_device()} here; leave out '
                    '--amp, or --device cpu'
                )
            cfg.test_cfg = dict(cfg.test_cfg or {}, fp16=True)
        show_dir = options.get('show_dir')
        if show_dir and Path(show_dir).is_dir() and any(Path(show_dir).iterdir()):
            check_free(show_dir, options.get('overwrite', False))
        if options.get('show') or show_dir is not None:
            set_default(cfg, 'default_hooks', {}).visualization = dict(
                type='VisualizationHook',
                enable=True,
                show=options.get('show', False),
                wait_time=options.get('wait_time', 2),
                out_dir=show_dir,
                interval=options.get('interval', 1),
            )
        if options.get('tta'):
            _augment_test(cfg)
        if folder is not None:
            if data is not None:
                check_apart('--report', folder, data)
            check_report_free(folder, options.get('overwrite', False))
            make_folder('--report', folder)
            check_single_task('--report', cfg.model)
            head, kind = get_head(cfg.model)
            metrics = get_report_metrics(head, issubclass(kind, MultiLabelClsHead))
            cfg.test_evaluator = add_metrics(cfg.get('test_evaluator'), *metrics)
        if out and item != 'metrics' and not out.endswith(('.pkl', '.pickle')):
            check_single_task(f'--out {out}', cfg.model)
    apply_speed_options(cfg, options, training=False)
    return cfg


def _augment_test(cfg: Config) -> None:
    """Average over the views of ``tta_pipeline``, by default the image and its mirror image."""
    dataset = get_test_dataset(cfg)
    pipeline = dataset.pipeline
    if 'tta_pipeline' not in cfg:
        flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
        cfg.tta_pipeline = [
            *deepcopy(pipeline[:-1]),
            dict(type='TestTimeAug', transforms=[flips, [pipeline[-1]]]),
        ]
    model = cfg.get('tta_model', dict(type='mmpretrain.AverageClsScoreTTA'))
    cfg.model = ConfigDict(**model, module=cfg.model)
    dataset.pipeline = cfg.tta_pipeline
