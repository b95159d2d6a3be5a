"""``wrn predict``: classify images."""

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from wrn.cli.arguments import check_at_least
from wrn.cli.backend_options import check_inference, get_backend_options, load
from wrn.cli.heat_maps import report_heat_maps
from wrn.cli.image_job import ImageJob, describe_failed, describe_run
from wrn.cli.inputs import InputImages, find_shard
from wrn.data.images import ImageLike
from wrn.inference.explained_images import ImageExplainer
from wrn.inference.predictor import Predictor
from wrn.jobs.drawn_predictions import classify_and_draw
from wrn.jobs.explain import check_explaining
from wrn.jobs.heat_map_folder import HeatMapFolder
from wrn.jobs.outputs import check_distinct, check_out
from wrn.jobs.predict import classify
from wrn.results.partial_file import PartialFile, is_unfinished, partial_path
from wrn.results.record import Record
from wrn.results.writers import SUFFIXES, write_predictions
from wrn_base.commands.predict import DEFAULT_MODEL
from wrn_base.errors import WrnError, count
from wrn_base.names import visible
from wrn_base.tables import print_table
from wrn_base.terminal import say, show_json_line

_NAMED = 10  # unreadable images to name, if there is a file that names them all


def run(args: argparse.Namespace) -> None:
    """Classify the images, and print a table or write a file."""
    check_at_least(args, topk=1)
    check_inference(args)
    shard = find_shard()
    unnamed = args.model is None
    args.model = args.model or DEFAULT_MODEL
    if args.json and args.out:
        raise WrnError('--json and --out: exclude each other; give one of them')
    if args.out == '-':
        raise WrnError('--out -: not a file; give --json for JSON lines on standard output')
    check_distinct(args.out, heatmaps=args.heatmaps)
    paths: list[str] = []
    folder = None
    if args.out:
        paths = shard.paths(args.out)
        args.out = paths[shard.index]
        replaces = args.overwrite or is_unfinished(args.out)
        check_out(args.out, 'predictions are', SUFFIXES, replaces)
    elif shard.count > 1:
        raise WrnError('--out: missing; add --out FILE, since each process writes a file')
    if args.heatmaps:
        check_explaining('gradcam', args.backend)
        args.heatmaps = shard.paths(args.heatmaps)[shard.index]
        folder = _open_folder(args)
    images = InputImages(args.inputs, shard)
    args.batch_size = min(args.batch_size, images.total or args.batch_size)
    predictor = Predictor(load(args, shard, **get_backend_options(args)))
    if unnamed and shard.index == 0:
        knows = '' if args.checkpoint else ', which knows handwritten digits 0 to 9'
        say(f'model {args.model}{knows}; name another with --model')

    multi_label = predictor.multi_label
    explainer = ImageExplainer(predictor) if folder else None
    results = _open_results(args, paths, str(shard), multi_label, folder) if args.out else None

    def compute(images: Iterable[ImageLike]) -> Iterator[Record]:
        options = (args.topk, args.batch_size, args.workers)
        if explainer and folder:
            first = results.done if results else 0
            return classify_and_draw(predictor, explainer, folder, images, first, *options)
        return classify(predictor, images, *options)

    job = ImageJob('Predicting', compute, images, args.batch_size)
    try:
        if results:
            _predict_to_file(job, results)
        else:
            _predict(job, args, multi_label)
    finally:
        images.report_left_out()
        if folder and folder.written:
            what = f'heat maps of the predicted classes of {count(folder.written, "image")}'
            report_heat_maps(folder, f'{what}, NUMBER-NAME.png')


def _open_results(
    args: argparse.Namespace,
    paths: Sequence[str],
    shard: str,
    multi_label: bool,
    folder: HeatMapFolder | None,
) -> PartialFile:
    drawn = ['heatmaps'] if folder else []
    identity = describe_run('predict', args, 'topk', *drawn) | dict(shard=shard)
    options = dict(topk=args.topk, multi_label=multi_label, heat_maps=bool(folder))
    write = partial(write_predictions, **options)
    return PartialFile(
        args.out, identity, write, paths, args.overwrite, lambda: bool(folder and folder.is_used)
    )


def _open_folder(args: argparse.Namespace) -> HeatMapFolder:
    resumes = bool(args.out) and (partial_path(args.out).exists() or is_unfinished(args.out))
    return HeatMapFolder('--heatmaps', args.heatmaps, args.inputs, args.overwrite, resumes)


def _predict(job: ImageJob, args: argparse.Namespace, multi_label: bool) -> None:
    """Print the predictions, as a table or as JSON."""
    records = job.records(job.images)
    if args.json:
        for record in records:
            show_json_line(record)
    elif rows := list(_rows(records)):
        columns = ('image', 'class', 'score', *(['passes'] if multi_label else []))
        print_table(rows, columns, right=('score',))
    if job.failed:
        raise WrnError(describe_failed(job.failed, job.done))


def _predict_to_file(job: ImageJob, results: PartialFile) -> None:
    job.named = _NAMED
    start = time.perf_counter()
    job.write(results)
    rate = job.done / (time.perf_counter() - start)
    number = count(results.done, 'image')
    failures = f'; {results.failed} could not be read, see the file' if results.failed else ''
    say(f'{results.path}: {number}, {rate:.1f} images/s{failures}')
    # torchrun would stop the other processes of a job if this one failed.
    if results.failed == results.done and job.images.shard.count == 1:
        raise WrnError(describe_failed(results.failed, results.done))


def _rows(records: Iterable[Record]) -> Iterator[tuple[str, ...]]:
    for record in records:
        passing = record.get('pred_labels')
        for rank, prediction in enumerate(record.get('predictions', ())):
            passes = [] if passing is None else ['yes' if rank < len(passing) else 'no']
            yield (
                '' if rank else record['img_path'],
                visible(prediction.get('pred_class', str(prediction['pred_label']))),
                f'{prediction["pred_score"]:.4f}',
                *passes,
            )
