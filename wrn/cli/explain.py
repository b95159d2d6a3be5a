"""``wrn explain``: draw where in images the scores of classes come from."""

import argparse
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from wrn.cli.backend_options import check_inference, get_backend_options, load
from wrn.cli.heat_maps import report_heat_maps
from wrn.cli.image_job import ImageJob, describe_failed, describe_run
from wrn.cli.inputs import InputImages, find_shard
from wrn.data.images import ImageLike
from wrn.inference.explained_images import ImageExplainer
from wrn.inference.predictor import Predictor
from wrn.jobs.class_sheet import MOST_CLASSES
from wrn.jobs.explain import check_explaining, explain_images
from wrn.jobs.heat_map_folder import HeatMapFolder
from wrn.results.partial_file import PartialFile, partial_path
from wrn.results.record import Record
from wrn.results.writers import write_predictions
from wrn.training.evaluation.fonts import fonts_for
from wrn.utils.existing import check_free
from wrn_base.errors import WrnError, count
from wrn_base.terminal import say, show, show_json_line

_INDEX = 'index.jsonl'


def run(args: argparse.Namespace) -> None:
    """Write the maps and their index; report and count the images that cannot be read."""
    check_inference(args)
    check_explaining(args.method, args.backend)
    shard = find_shard()
    if shard.count > 1:
        raise WrnError('explain: cannot run in several processes; start it without torchrun')
    wanted = args.classes or []
    if len(wanted) > MOST_CLASSES:
        raise WrnError(f'--class: has {len(wanted)} values; give at most {MOST_CLASSES}')
    images = InputImages(args.inputs, shard)
    args.batch_size = min(args.batch_size, images.total or args.batch_size)
    index = Path(args.out, _INDEX)
    check_free(index, args.overwrite)
    identity = describe_run('explain', args, 'method', 'classes', 'layer')
    write = partial(write_predictions, topk=1)
    resumes = partial_path(index).exists()
    folder = HeatMapFolder('--out', args.out, args.inputs, args.overwrite, resumes)
    results = PartialFile(
        index, identity, write, overwrite=args.overwrite, has_others=lambda: folder.is_used
    )
    predictor = Predictor(load(args, shard, **get_backend_options(args)))
    explainer = ImageExplainer(predictor, args.method, args.layer, wanted)

    def compute(images: Iterable[ImageLike]) -> Iterator[Record]:
        explained = explain_images(explainer, images, args.batch_size, args.workers)
        if args.json:
            for record in results:  # of the run that this one resumes
                show_json_line(record)
        for number, image in enumerate(explained, results.done):
            record = Record(img_path=image['img_path'])
            if 'error' in image:
                record['error'] = image['error']
            else:
                record |= folder.write_all(
                    number, image['img_path'], image['pixels'], image['explanations']
                )
            if args.json:
                show_json_line(record)
            yield record

    job = ImageJob('Explaining', compute, images, args.batch_size)
    drawn = explainer.labels if len(explainer.labels) > 1 else []  # on sheets
    names = [str(predictor.classes[label]) for label in drawn if predictor.classes]
    try:
        with fonts_for(names, args.out, _INDEX):
            job.write(results)
    finally:
        images.report_left_out()
    if number := results.done - results.failed:
        layer = explainer.explainer.layer
        what = (
            f'heat maps of {count(number, "image")} by {args.method}, layer {layer}, see {_INDEX}'
        )
        report_heat_maps(folder, what, say if args.json else show)
    if results.failed:
        raise WrnError(describe_failed(results.failed, results.done))
