"""Declare the options of commands, with the help texts that several commands share."""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from wrn_base.errors import WrnError, check_choice

_LONG = 60  # columns of the choices of an option
Argument: TypeAlias = dict[str, Any]
"""The keyword arguments of ``add_argument``."""


def argument(metavar: str, help: str, default: Any = None, **options: Any) -> Argument:
    """Return the declaration of an argument with a value.

    Args:
        metavar: The name of the value in the help.
        help: The help text. The default is appended to it.
        default: The default. Defaults to None: there is none, or the help text describes it.
        **options: Further keyword arguments of ``add_argument``.
    """
    options.setdefault('type', _text)
    if default is not None:
        help += f' (default: {" ".join(default) if isinstance(default, list) else default})'
    return dict(metavar=metavar, help=help, default=default, **options)


def _text(value: str) -> str:
    if not value:  # such as an unset variable of a script
        raise argparse.ArgumentTypeError('is empty; leave it out, or give a value')
    return value


def choice(
    choices: Iterable[str], help: str, default: str | None = None, **options: Any
) -> Argument:
    """Return the declaration of an argument that takes one of a few values."""
    names = tuple(choices)
    metavar = f'{{{",".join(names)}}}'
    if len(metavar) > _LONG:  # argparse would not wrap it
        metavar, help = 'NAME', f'{help}: {", ".join(names)}'
    return argument(metavar, help, default, type=_one_of(names), **options)


def _one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    def parse(name: str) -> str:
        try:
            check_choice('value', name, names)
        except WrnError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return name

    return parse


def number(help: str, default: int | None = None) -> Argument:
    """Return the declaration of an argument that is a whole number."""
    return argument('N', help, default, type=_whole)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r}: must be a whole number, such as 5') from None


def decimal(text: str) -> float:
    """Parse a number of an argument; it may have a decimal point."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r}: must be a number, such as 0.01') from None


def flag(help: str) -> Argument:
    """Return the declaration of an option without a value."""
    return dict(action='store_true', help=help)


DOWNLOAD_ARGUMENTS = {'--insecure': flag('download weights by plain HTTP, and from any host')}
OVERWRITE = {'--overwrite': flag('replace results that exist (default: refuse to)')}
CHECKPOINT = argument('FILE', "path or URL of the weights (default: the model's own)")
CSV_SAFE = flag('escape the cells of .csv files that a spreadsheet would run as formulas')
CHOICE_ARGUMENTS = {
    '--key': argument('KEY', 'key of the weights if a file has several sets, such as model_ema'),
    '--prefix': argument(
        'PREFIX',
        'beginning of the keys of the network in the file, such as student. (default: the only one '
        'with known keys behind it)',
    ),
}
NORMALIZATION_ARGUMENTS = {
    '--mean': argument(
        'VALUE',
        'mean of the input, one value or one per channel (RGB), for pixels from 0 to 255 (default: '
        'what the file states, else the config)',
        nargs='+',
        type=decimal,
    ),
    '--std': argument(
        'VALUE',
        'standard deviation of the input; --mean 0 --std 255 is for weights that were trained on '
        'images from 0 to 1',
        nargs='+',
        type=decimal,
    ),
}
WEIGHTS_ARGUMENTS = {**CHOICE_ARGUMENTS, **NORMALIZATION_ARGUMENTS}

DEFAULT_WORKERS = min(os.cpu_count() or 1, 8)
BACKENDS = (
    'eager', 'fused', 'compile', 'onnxruntime', 'openvino', 'ncnn', 'tensorrt', 'auto'
)  # fmt: skip
PRECISIONS = ('float32', 'bfloat16', 'float16', 'int8')
BACKEND_ARGUMENTS = {
    '--backend': choice(
        BACKENDS,
        'backend that runs the network; auto measures the installed ones and takes the fastest, '
        'which pays off from a few hundred images',
        'eager',
    ),
    '--precision': choice(PRECISIONS, 'precision of the computation', 'float32'),
    '--calibration': argument('FOLDER', 'images to calibrate --precision int8 with'),
}
INFERENCE_ARGUMENTS = {
    'inputs': argument(
        'IMAGE',
        'image, URL, folder, glob pattern, .txt file that lists images, or .tar archive',
        nargs='+',
    ),
    '--checkpoint': CHECKPOINT,
    **WEIGHTS_ARGUMENTS,
    '--device': argument(
        'DEVICE', 'device, such as cuda:1 (default: the accelerator, else the CPU)'
    ),
    'speed': {
        '--batch-size': number('images per batch', 32),
        '--workers': number('threads that decode images while the network runs', DEFAULT_WORKERS),
        **BACKEND_ARGUMENTS,
    },
}
SETTINGS_ARGUMENT = {
    '--cfg-options': argument(
        'KEY=VALUE',
        'settings to override in the config, such as randomness.seed=1; lists as key="[a,b]"',
        nargs='+',
        action='extend',
    )
}
# Old versions of torch.distributed.launch pass it; torchrun sets LOCAL_RANK instead.
_LOCAL_RANK = argument('N', argparse.SUPPRESS, type=int)
VERBOSE_ARGUMENT = {'--verbose': flag("show mmengine's log instead of a progress bar")}
COMMON_ARGUMENTS = {
    '--work-dir': argument(
        'FOLDER',
        'folder to write to (default: work_dirs/ and the name of the config, file or data folder)',
    ),
    **SETTINGS_ARGUMENT,
    '--launcher': choice(
        ('none', 'pytorch', 'slurm', 'mpi'), 'launcher of a distributed job', 'none'
    ),
    '--local_rank': _LOCAL_RANK,
    '--local-rank': _LOCAL_RANK,
    **VERBOSE_ARGUMENT,
    '--no-pin-memory': flag('do not pin memory'),
    '--no-persistent-workers': flag('restart the data workers each epoch'),
}

_SPEED = {
    'channels-last': (
        'use the channels-last memory format (default: yes, for the networks of this package)'
    ),
    'compile': 'compile the backbone, which takes about a minute at the first step (default: no)',
    'tf32': 'use TF32 for float32 on GPUs (default: as torch does, in convolutions only)',
    'cudnn-benchmark': 'time the algorithms of cuDNN and use the fastest (default: no)',
}
_TRAINING_SPEED = {
    **_SPEED,
    'fused': 'use a fused optimizer (default: yes, for SGD, Adam and AdamW)',
    'sync-bn': 'synchronize batch norms over the GPUs (default: no)',
}


def _yes_or_no(helps: Mapping[str, str]) -> dict[str, Argument]:
    boolean = argparse.BooleanOptionalAction
    return {f'--{name}': dict(action=boolean, help=help) for name, help in helps.items()}


SPEED_ARGUMENTS = _yes_or_no(_SPEED)
TRAINING_SPEED_ARGUMENTS = _yes_or_no(_TRAINING_SPEED)
RUN_ARGUMENTS = {
    '--batch-size': number('images per step on each device (default: that of the config)'),
    '--device': argument(
        'DEVICE', 'device, such as cpu or cuda:1 (default: the accelerator, else the CPU)'
    ),
    '--workers': number('processes that load images (default: those of the config)'),
}
TRAIN_ARGUMENTS = {
    '--epochs': number(
        'epochs to train, to which the schedule is scaled (default: those of the config)'
    ),
    '--lr': argument(
        'RATE', 'learning rate, which is never scaled (default: that of the config)', type=decimal
    ),
    **RUN_ARGUMENTS,
    '--batch-size': number(
        'images per step on each device, which scales the learning rate unless --lr is given '
        '(default: that of the config)'
    ),
    '--patience': number('stop after N epochs without a better validation (default: never)'),
    '--seed': number(
        'seed of the order and the augmentation of the images, and of new weights (default: that '
        'of the config, else a random one)'
    ),
    '--resume': argument(
        'FILE',
        'resume from this checkpoint; without FILE, from the latest in the work folder',
        nargs='?',
        const='auto',
    ),
    **OVERWRITE,
    '--amp': flag('train in mixed precision'),
    '--no-validate': flag('skip validation'),
    '--auto-scale-lr': flag('scale the learning rate to the actual batch size'),
    '--skip-unreadable': flag('skip and count unreadable images (default: stop at the first)'),
    '--tensorboard': flag('also log to TensorBoard'),
    '--wandb': flag('also log to Weights & Biases'),
    'weights': WEIGHTS_ARGUMENTS,
    **COMMON_ARGUMENTS,
    'speed': TRAINING_SPEED_ARGUMENTS,
}


def add_arguments(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, arguments: Mapping[str, Argument]
) -> None:
    """Declare arguments.

    Args:
        parser: The parser of a command, or a group in it.
        arguments: The declaration of each argument by its name; those of a group by its title.
    """
    for name, declaration in arguments.items():
        if 'help' in declaration:
            parser.add_argument(name, **declaration)
        else:
            add_arguments(parser.add_argument_group(name), declaration)
