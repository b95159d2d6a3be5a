"""``wrn features``: write what the stages of a network compute for images."""

import argparse
from collections.abc import Iterable, Iterator

from wrn.cli.backend_options import (
    check_inference,
    get_backend_options,
    load,
)
from wrn.cli.image_job import ImageJob, describe_failed, describe_run
from wrn.cli.inputs import InputImages, find_shard
from wrn.data.images import ImageLike
from wrn.inference.features import FeatureExtractor, Features, check_same_size, format_shape
from wrn.jobs.outputs import check_out
from wrn.jobs.predict import make_records
from wrn.results.feature_files import SUFFIXES, check_format, list_path, write_features
from wrn.results.partial_file import PartialFile
from wrn.results.record import Record
from wrn_base.errors import ImageReadError, WrnError, count
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Write the features; report and count the images that cannot be read."""
    check_inference(args)
    shard = find_shard()
    if shard.count > 1:
        raise WrnError('features: cannot run in several processes; start it without torchrun')
    check_out(args.out, 'features are', SUFFIXES, args.overwrite)
    if names := list_path(args.out):
        check_out(str(names), overwrite=args.overwrite)
    check_format(args.out, args.stages, args.pool)
    images = InputImages(args.inputs, shard)
    args.batch_size = min(args.batch_size, images.total or args.batch_size)
    network = load(args, shard, head=None, neck=None)
    options = get_backend_options(args)
    extractor = FeatureExtractor(network, args.stages, args.pool, **options)
    identity = describe_run('features', args, 'stages', 'pool')
    results = PartialFile(args.out, identity, write_features, overwrite=args.overwrite)

    def stream(images: Iterable[ImageLike]) -> Iterator[Features | ImageReadError]:
        features = extractor.stream(images, args.batch_size, args.workers)
        return check_same_size(features, results.shapes)

    def compute(images: Iterable[ImageLike]) -> Iterator[Record]:
        return make_records(images, stream, lambda features: Record(stages=features.stages))

    job = ImageJob('Features', compute, images, args.batch_size)
    try:
        job.write(results)
    finally:
        images.report_left_out()
    number = results.done - results.failed
    if not number:
        raise WrnError(f'{args.out}: not written, since no image could be read; replace them')
    shapes = ', '.join(f'{name} {format_shape(shape)}' for name, shape in results.shapes.items())
    show(
        f'{args.out}: {count(number, "image")}, {shapes}, backend {extractor.backend}'
        + (f'; {names} lists the images' if names else '')
    )
    if results.failed:
        raise WrnError(describe_failed(results.failed, results.done))
