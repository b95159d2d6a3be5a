"""``wrn app``: serve a page and an HTTP interface to try a model."""

import argparse
import ipaddress
import math
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from mmengine.model import BaseModel

from wrn.checkpoints import ReadOptions
from wrn.cli.arguments import check_at_least
from wrn.cli.backend_options import get_backend_options, load
from wrn.cli.inputs import Shard
from wrn.data.images.bounds import MAX_PIXELS
from wrn.jobs.loading import check_calibration
from wrn.utils.files import hash_file
from wrn.utils.packages import missing_packages
from wrn.zoo.model_card import describe_resolved
from wrn.zoo.resolve import resolve
from wrn_base.card import fact_values
from wrn_base.credentials import mask_credentials
from wrn_base.errors import WrnError
from wrn_base.terminal import say, show

_PACKAGES = ('fastapi', 'gradio', 'uvicorn')
_LARGEST = 1e6  # MB and seconds
_LEAST_MB, _LEAST_SECONDS = 0.001, 0.1  # and megapixels: an image of 32x32 pixels


def run(args: argparse.Namespace) -> None:
    """Load the model, and serve it until Ctrl-C."""
    if missing := missing_packages(*_PACKAGES):
        packages = missing.partition(';')[0]
        raise WrnError(f"wrn app: {packages}; pip install 'mmpretrain-wrn[app]'")
    from wrn.app import make_app
    from wrn.app.app_server import open_socket, serve

    check_calibration(args.calibration, args.precision)
    check_at_least(args, batch_size=1, queue=1)
    limits = _limits(args)
    with open_socket(args.host, args.port) as listening:
        model = load(args, Shard(), **get_backend_options(args))
        name = Path(args.model).stem if Path(args.model).is_file() else args.model
        facts = _facts(args, model)
        hosts = [args.host, socket.gethostname(), *(args.allow_host or ())]
        app = make_app(
            model, name, batch_size=args.batch_size, limits=limits, facts=facts, hosts=hosts
        )
        host, port = listening.getsockname()[:2]

        def ready() -> None:
            if not _is_local(host):
                say(
                    f'--host {args.host}: anyone in the network can use this server, without a '
                    'password; leave it out for this machine alone'
                )
            shown = f'[{host}]' if ':' in host else host
            show(f'{args.model}: http://{shown}:{port} (Ctrl-C stops it)')

        def end(number: int, _: object) -> NoReturn:
            say('stopped by SIGTERM')
            sys.exit(128 + number)

        signal.signal(signal.SIGTERM, end)  # uvicorn raises it again when the server has ended
        try:
            serve(app, listening, ready)
        except KeyboardInterrupt:
            raise KeyboardInterrupt('stopped') from None


def _limits(args: argparse.Namespace) -> Any:
    """Return the limits that the arguments set."""
    from wrn.app import RequestLimits
    from wrn.app.request_limits import MEGABYTE

    for name, least, most in (
        ('max_image_mb', _LEAST_MB, _LARGEST),
        ('max_request_mb', _LEAST_MB, _LARGEST),
        ('max_megapixels', _LEAST_MB, MAX_PIXELS / 1e6),
        ('timeout', _LEAST_SECONDS, _LARGEST),
    ):
        value = getattr(args, name)
        if not least <= value <= most:  # NaN is in no range
            option = f'--{name.replace("_", "-")}'
            raise WrnError(f'{option} {value:g}: must be from {least:g} to {most:.0f}')
    if args.max_image_mb > args.max_request_mb:
        raise WrnError(
            f'--max-image-mb {args.max_image_mb:g}: is more than --max-request-mb '
            f'{args.max_request_mb:g}, so no such image could be sent; raise that, too'
        )
    return RequestLimits(
        image_bytes=math.ceil(args.max_image_mb * MEGABYTE),
        request_bytes=math.ceil(args.max_request_mb * MEGABYTE),
        pixels=int(args.max_megapixels * 1e6),
        queue=args.queue,
        seconds=args.timeout,
    )


def _facts(args: argparse.Namespace, model: BaseModel) -> Mapping[str, Any]:
    """Return what is known of a model, of which the index knows only its own weights."""
    engine = getattr(getattr(model, 'engine', None), 'name', args.backend)
    runs = dict(backend=engine, precision=args.precision)
    if args.checkpoint is None:
        options = ReadOptions(args.key, args.prefix)
        return fact_values(describe_resolved(resolve(args.model, options=options))) | runs
    weights: dict[str, Any] = dict(weights=[mask_credentials(args.checkpoint)])
    if Path(args.checkpoint).is_file():
        weights['sha256'] = hash_file(args.checkpoint)
    return weights | runs


def _is_local(host: str) -> bool:
    return ipaddress.ip_address(host.partition('%')[0]).is_loopback
