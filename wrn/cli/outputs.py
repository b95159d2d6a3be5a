"""Check before the work that its output can be written after it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from wrn.results.writers import check_parquet
from wrn.utils.errors import WrnError


def check_writable(option: str, folder: Path) -> None:
    """Check before the work that its output can be written after it.

    Args:
        option: The option and its value, for the message.
        folder: The folder to write to.

    Raises:
        WrnError: If that cannot be done.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = 'the folder does not exist' if not folder.exists() else error.strerror
        raise WrnError(f'{option}: cannot be written ({reason}); name another place') from error


def check_out(out: str, what: str = 'it is', suffixes: Sequence[str] = ()) -> None:
    """Check before the work that ``--out`` can be written after it.

    Args:
        out: The value of ``--out``.
        what: What is written, for the message. Defaults to ``'it is'``.
        suffixes: The suffixes by which its format is known. Defaults to none: one of any name.

    Raises:
        WrnError: If it has another suffix, needs pyarrow and that is missing, is a folder, or is in
            one that cannot be written to.
    """
    path = Path(out)
    if suffixes and path.suffix not in suffixes:
        raise WrnError(f'--out {out}: {what} written as {", ".join(suffixes)}')
    check_parquet(out)
    if path.is_dir():
        raise WrnError(f'--out {out}: is a folder; give the name of a file')
    if path.parent != Path('/dev'):
        check_writable(f'--out {out}', path.resolve().parent)


def make_folder(option: str, folder: str) -> None:
    """Make the folder that is to be written to, if it does not exist.

    Args:
        option: The option that names it, for the message.
        folder: The folder.

    Raises:
        WrnError: If it cannot be made or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrnError(f'{option} {folder}: cannot be made ({error.strerror})') from error
    check_writable(f'{option} {folder}', Path(folder))
