"""``wrn train``: train a model."""

import argparse
from typing import Any

from mmengine.config import DictAction

from wrn import training
from wrn.config import read_config
from wrn.training.options import apply_common_options, apply_train_options

HELP = 'train a model'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('config', help='path of a config, or name of a model')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='FILE',
        help='go on from this checkpoint, or without FILE from the latest in the work folder',
    )
    parser.add_argument('--amp', action='store_true', help='train with mixed precision')
    parser.add_argument('--no-validate', action='store_true', help='do not validate meanwhile')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the batch size at hand',
    )
    add_common_arguments(parser)


class _SettingsAction(DictAction):
    """mmengine's ``DictAction``, which ends in a traceback where there is no ``=``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Parse ``KEY=VALUE`` words."""
        try:
            super().__call__(parser, namespace, values, option_string)
        except (ValueError, AssertionError) as error:
            reason = f'expected KEY=VALUE, got {" ".join(values)}'
            raise argparse.ArgumentError(self, reason) from error


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that train and test share."""
    parser.add_argument(
        '--work-dir', help='folder for logs and checkpoints (default: work_dirs/CONFIG)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_SettingsAction,
        metavar='KEY=VALUE',
        help='override settings of the config, such as train_cfg.max_epochs=5; '
        'lists as key="[a,b]"',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed job (default: none)',
    )
    # torch.distributed.launch passes it; torchrun, and it too by now, set LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--no-pin-memory', action='store_true', help='do not pin memory')
    parser.add_argument(
        '--no-persistent-workers', action='store_true', help='restart data workers each epoch'
    )


def run(args: argparse.Namespace) -> None:
    """Train the model of the config."""
    cfg = read_config(args.config)
    apply_train_options(cfg, args)
    apply_common_options(cfg, args)
    training.train(cfg)
