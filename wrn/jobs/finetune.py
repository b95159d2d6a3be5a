"""Fine-tune a model on a folder of images: ``wrn.finetune``, and the command ``wrn finetune``."""

import logging
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from typing_extensions import Unpack

from wrn import training
from wrn.config.config_errors import config_errors
from wrn.data.depth import advise_depth
from wrn.data.splitting import Splits, find_splits
from wrn.head_only import estimate_durations, train_head, use_head_only
from wrn.jobs.common_options import check_ranges
from wrn.jobs.head_only_options import check_head_only
from wrn.jobs.keywords import check_names
from wrn.jobs.loading import make_read_options
from wrn.jobs.run_options import TrainOptions, apply_train_options
from wrn.jobs.settings import name_settings
from wrn.report.content import Subject
from wrn.report.facts import find_provenance, list_facts
from wrn.report.near_images import list_others
from wrn.report.write_report import write_report
from wrn.training.class_weights import balance_loss
from wrn.training.evaluation import Report
from wrn.training.evaluation.line_chart import Curves
from wrn.training.finetune import Finetuned
from wrn.training.finetune import finetune as run
from wrn.training.finetune_config import FINE_TUNED
from wrn.training.finetune_folder import check_images
from wrn.training.finetune_results import REPORT
from wrn.training.hooks.record_images import RecordedTest
from wrn.training.run_device import get_run_device
from wrn.training.small_data import count_classes, describe_classes, list_warnings
from wrn.utils.memory import batch_errors
from wrn.zoo.resolve import resolve
from wrn_base.commands.finetune import DEFAULT_MODEL
from wrn_base.credentials import mask_credentials
from wrn_base.errors import WrnError, count, some
from wrn_base.names import visible
from wrn_base.progress_line import about
from wrn_base.run_progress import SILENT

_logger = logging.getLogger('wrn')
_SAME_IMAGES = (
    'the test images are those of validation, which also choose {}: the accuracy on new images is '
    'lower; a folder named test, beside train, measures it'
)
_SKIPPED = (
    'unreadable images were skipped (--skip-unreadable): of validation and test {}; for those of '
    'training, see the log in the folder run'
)


def finetune(
    data: str,
    model: str = DEFAULT_MODEL,
    checkpoint: str | None = None,
    freeze: int = -1,
    bit_depth: int | None = None,
    balance: bool = False,
    groups: str | PathLike[str] | None = None,
    head_only: bool = False,
    views: int = 1,
    **options: Unpack[TrainOptions],
) -> Finetuned | None:
    """Fine-tune a pretrained model on a folder of images.

    The images are split, the best checkpoint is tested, and its weights and a report are written.

    Args:
        data: The folder of class folders, directly or below ``train``, ``val`` and (optionally)
            ``test``.
        model: The model to start from. Defaults to wide-resnet50 with torchvision's first weights.
        checkpoint: The path or URL of the weights to start from. Defaults to None, the model's own.
        freeze: The number of frozen stages. With 0, only the stem is frozen; with -1, nothing is.
            Defaults to -1.
        bit_depth: The bits of the values in 16-bit images, such as 12. Defaults to None, 16.
        balance: Whether to weight the loss of each class by the inverse of its number of training
            images. Defaults to False.
        groups: An expression or a ``.csv`` file that gives the group of each image, such as a
            patient, as for :func:`wrn.data.image_groups.find_groups`. The images of a group are
            in one split. Defaults to None.
        head_only: Whether to train the head alone, on features that are computed once. That takes
            minutes on a CPU. Defaults to False.
        views: With ``head_only``, the number of views of each training image: the one of a test,
            and random ones. Defaults to 1.
        **options: The options of the command, see :class:`wrn.jobs.run_options.TrainOptions`:
            ``epochs`` (default 20), ``lr``, ``batch_size``, ``patience``, ``seed`` (default 0, also
            of the split), ``work_dir`` and others.

    Returns:
        The results in the main process. None in the other processes of a distributed job.

    Raises:
        WrnError: If the data, the model or an option is wrong, or the run fails.
        RunStoppedError: If the run was asked to stop by SIGTERM.
        TypeError: If an argument is unknown.
    """
    check_names(finetune, options, TrainOptions)
    check_ranges(options)
    if bit_depth and bit_depth > 16:
        raise WrnError(f'--bit-depth {bit_depth}: must be from 1 to 16')
    check_head_only(head_only, views, dict(options, freeze=freeze))
    progress = options.get('progress', SILENT)
    progress.phase('reading data')
    read, origin = make_read_options(options), resolve(model)
    seed = options.get('seed') or 0
    splits = find_splits(data, seed, None if groups is None else fspath(groups))
    cfg = training.make_finetune_config(splits, origin, checkpoint, freeze, seed, bit_depth)
    base = find_provenance(cfg, model)  # before --resume changes load_from
    apply_train_options(cfg, options, data)
    if balance:
        balance_loss(cfg, count_classes(splits), splits.classes)
    if head_only:
        use_head_only(cfg, views)
    folder = Path(cfg.work_dir)
    with training.run_errors('train'), config_errors(cfg.filename):
        training.init_distributed(cfg)
    with training.lock_folder(folder):
        overwrite = options.get('overwrite', False)
        skip_unreadable = options.get('skip_unreadable', False)
        done, dropped = training.claim_folder(cfg, splits, skip_unreadable, overwrite)
        if done:
            _logger.info('nothing left to do: %s exists', done)
            return Finetuned(done, None, folder / REPORT) if is_main_process() else None
        if not skip_unreadable:
            progress.phase('checking images')
            check_images(cfg, splits, progress)
        training.write_annotations(cfg, splits, folder)
        validated = not options.get('no_validate')
        selects = 'the regularization' if head_only else 'the best epoch'
        if is_main_process():
            _log_images(splits, bit_depth, validated, balance, selects)
            if dropped:
                _logger.info('left out of validation and test, since unreadable: %s', some(dropped))
        start, name = mask_credentials(checkpoint or model), Path(cfg.filename).stem
        provenance = f'{start}{FINE_TUNED}{name}'

        def write(report: Report, test: RecordedTest, make_curves: Callable[[], Curves]) -> None:
            numbers = [f'{data}, {count(len(splits.classes), "class")}']
            numbers += _describe_splits(splits, validated, selects)
            described = f'{name}, fine-tuned from {model}'
            weights = f'{base};{FINE_TUNED}{name}'
            facts = list_facts(cfg, test.network, described, '; '.join(numbers), weights)
            cautions = list_warnings(splits, validated, balance, selects)
            if not splits.tests_apart and validated:
                cautions.insert(0, _SAME_IMAGES.format(selects))
            if skip_unreadable:
                cautions.append(_SKIPPED.format(some(dropped) if dropped else 'none'))
            subject = Subject(name, facts, cautions, list_others(splits))
            # It may be there of this run, if that was stopped here.
            write_report(folder / REPORT, report, test, subject, make_curves, progress, True)

        if head_only:
            template = origin.get_config().filename
            return train_head(
                cfg, splits, provenance, template, write, read, skip_unreadable, overwrite, progress
            )
        if cfg.launcher == 'none' and get_run_device(cfg) == 'cpu':
            progress.phase('estimating the time')
            _log_estimate(cfg, splits)
        with name_settings(options.get('cfg_options')):
            return run(cfg, provenance, write, read, origin.template, progress, overwrite)


def _log_images(
    splits: Splits, bit_depth: int | None, validated: bool, balance: bool, selects: str
) -> None:
    """Say what the images are, what was left out, and what is too little or too uneven."""
    paths = [str(splits.folder / path) for path, _ in splits.images['train']]
    for note in (splits.left_out and str(splits.left_out), advise_depth(paths, bit_depth)):
        if note:
            _logger.info('%s: %s', splits.folder, note)
    names = f'{count(len(splits.classes), "class")}: {", ".join(map(visible, splits.classes))}'
    for line in (*_describe_splits(splits, validated, selects), names, describe_classes(splits)):
        _logger.info(line)
    for warning in list_warnings(splits, validated, balance, selects):
        _logger.warning('%s: %s', splits.folder, warning)


def _log_estimate(cfg: Config, splits: Splits) -> None:
    """Compare the time with that of ``--head-only``."""
    with batch_errors(cfg.train_dataloader.batch_size):
        estimate = estimate_durations(cfg, splits)
    if estimate:
        _logger.info(
            'fine-tuning %s takes %s on this CPU; --head-only %s',
            count(cfg.train_cfg.max_epochs, 'epoch'),
            about(estimate.all_layers),
            about(estimate.head_only),
        )


def _describe_splits(splits: Splits, validated: bool, selects: str) -> list[str]:
    lines = []
    for name, images in splits.images.items():
        what = count(len(images), 'image')
        if name == ('val' if validated else 'test') and splits.drawn:
            what += ', drawn from each class' + (' by whole groups' if splits.groups else '')
        if name == 'val' and not validated:
            what = 'none (--no-validate)'
        elif name == 'test' and validated and not splits.tests_apart:
            what = f'the same images as val, which also select {selects}'
        if splits.groups:
            what += f'; {count(len({splits.groups[path] for path, _ in images}), "group")}'
        lines.append(f'{name}: {what}')
    return lines
