"""``wrn features``: write what the stages of a network compute for images."""

import argparse

from wrn.cli.arguments import check_out
from wrn.cli.backend_options import (
    add_inference_arguments,
    check_inference_arguments,
    get_backend_options,
    load_model,
)
from wrn.cli.inputs import InputImages, find_shard
from wrn.cli.write_results import ImageJob, describe_run
from wrn.inference.features import STAGES, FeatureExtractor, check_same_size, format_shape
from wrn.results.feature_files import SUFFIXES, check_format, list_path, write_features
from wrn.results.partial_file import PartialFile
from wrn.results.record import Record
from wrn.utils.errors import WrnError

HELP = "write what a network's stages compute of images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--model', required=True, help='name of a model or path of a config')
    parser.add_argument(
        '--stages',
        nargs='+',
        default=list(STAGES),
        metavar='STAGE',
        help=f'any of layer1, layer2 and so on (default: {" ".join(STAGES)})',
    )
    parser.add_argument('--pool', action='store_true', help='average over height and width')
    parser.add_argument(
        '--out',
        required=True,
        metavar='FILE',
        help=f'what to write ({", ".join(SUFFIXES)}); beside the first two, FILE.txt lists the '
        'images',
    )
    add_inference_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Write the features; report and count the images that cannot be read."""
    check_inference_arguments(args)
    shard = find_shard()
    if shard.count > 1:
        raise WrnError('features are computed by one process; start it without torchrun')
    check_out(args.out, 'features are', SUFFIXES)
    check_format(args.out, args.stages, args.pool)
    images = InputImages(args.inputs, shard)
    args.batch_size = min(args.batch_size, images.total or args.batch_size)
    network = load_model(args.model, args.checkpoint, args.device, head=None, neck=None)
    options = get_backend_options(args)
    extractor = FeatureExtractor(network, args.stages, args.pool, **options)
    run = describe_run('features', args, 'stages', 'pool')
    results = PartialFile(args.out, run, write_features)
    job = ImageJob(
        'Features',
        lambda *inputs: check_same_size(extractor.stream(*inputs), results.shapes),
        lambda name, features: Record(img_path=name, stages=features.stages),
        images,
        args,
    )
    job.write(results)
    images.report_left_out()
    number = results.done - results.failed
    if not number:
        raise WrnError(f'no image could be read; {args.out} is not written')
    shapes = ', '.join(f'{name} {format_shape(shape)}' for name, shape in results.shapes.items())
    names = list_path(args.out)
    print(
        f'{args.out}: {number} image{"s" * (number > 1)}, {shapes}, by {extractor.backend}'
        + (f'; {names} lists the images' if names else '')
    )
    if results.failed:
        raise WrnError(f'{results.failed} of {results.done} images could not be read')
