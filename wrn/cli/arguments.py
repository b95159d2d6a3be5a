"""Declare and check arguments that several commands have."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from wrn.results.writers import check_parquet
from wrn.utils.errors import WrnError


def add_flags(parser: argparse.ArgumentParser, flags: Mapping[str, str]) -> None:
    """Declare options that take no value.

    Args:
        parser: The parser of a command.
        flags: The help text of each option, by its name without the leading dashes.
    """
    for name, text in flags.items():
        parser.add_argument(f'--{name}', action='store_true', help=text)


def check_out(out: str, what: str = 'it is', suffixes: Sequence[str] = ()) -> None:
    """Check before a command does its work that its ``--out`` file can be written.

    Args:
        out: The value of ``--out``.
        what: The subject and verb of the message about a wrong suffix. Defaults to ``'it is'``.
        suffixes: The suffixes that the file may have. Defaults to any.

    Raises:
        WrnError: If the suffix is wrong, pyarrow is needed but missing, the file is a folder, or
            its folder cannot be written to.
    """
    path = Path(out)
    if suffixes and path.suffix not in suffixes:
        raise WrnError(f'--out {out}: {what} written as {", ".join(suffixes)}')
    check_parquet(out)
    if path.is_dir():
        raise WrnError(f'--out {out}: is a folder; give the name of a file')
    if path.parent != Path('/dev'):
        _check_writable(f'--out {out}', path.resolve().parent)


def make_folder(option: str, folder: str) -> None:
    """Create the folder that an option names, unless it exists.

    Args:
        option: The option, for the message.
        folder: The folder.

    Raises:
        WrnError: If the folder cannot be created or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrnError(f'{option} {folder}: cannot be made ({error.strerror})') from error
    _check_writable(f'{option} {folder}', Path(folder))


def _check_writable(option: str, folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = 'the folder does not exist' if not folder.exists() else error.strerror
        raise WrnError(f'{option}: cannot be written ({reason}); name another place') from error
