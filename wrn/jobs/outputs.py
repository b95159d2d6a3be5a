"""Check that files and folders can be written, before a job does its work."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from wrn.data.listing import list_split_names
from wrn.results.writers import check_parquet
from wrn.utils.existing import check_free
from wrn.utils.files import make_parent
from wrn.utils.pipes import reserve
from wrn_base.errors import WrnError, one_line


def check_out(
    out: str, what: str = 'it is', suffixes: Sequence[str] = (), overwrite: bool = False
) -> None:
    """Check that the ``--out`` file of a command can be written, before the command does its work.

    Its folder is made if it does not exist.

    Args:
        out: The value of ``--out``.
        what: The subject and verb of the message about a wrong suffix. Defaults to ``'it is'``.
        suffixes: The suffixes that the file may have. Defaults to any.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Raises:
        WrnError: If the suffix is wrong, pyarrow is needed but missing, the file exists or is a
            folder or a pipe without a reader, or its folder cannot be made or written to.
    """
    path = Path(out)
    if suffixes and path.suffix not in suffixes:
        raise WrnError(f'--out {out}: {what} written as {", ".join(suffixes)}')
    check_parquet(out)
    if path.is_dir():
        raise WrnError(f'--out {out}: is a folder; give a file name')
    check_free(path, overwrite)
    try:
        reserve(path)
        if path.parent != Path('/dev'):
            make_parent(path.resolve())
    except OSError as error:
        raise WrnError(
            f'--out {out}: cannot be written ({one_line(error)}); choose another path'
        ) from error
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
        reason = 'it is a file' if isinstance(error, FileExistsError) else error.strerror
        raise WrnError(
            f'{option} {folder}: cannot be created ({reason}); choose another folder'
        ) from error
    _check_writable(f'{option} {folder}', Path(folder))


def check_distinct(out: str | None, **folders: str | None) -> None:
    """Check that the file and the folders of a command can all be made, before any is.

    Args:
        out: The value of ``--out``, a file. None if it is not given.
        **folders: The values of the options that name folders, by their names. A folder that is
            None passes.

    Raises:
        WrnError: If a folder is the file, or below it.
    """
    for name, folder in folders.items():
        if out and folder and Path(folder).resolve().is_relative_to(Path(out).resolve()):
            raise WrnError(
                f'--out {out} and --{name.replace("_", "-")} {folder}: {out} cannot be both a file '
                'and a folder; choose another path for one of them'
            )


def check_apart(option: str, folder: str | Path, data: str | Path) -> None:
    """Check that a run does not write among the images that it reads.

    Args:
        option: The option that names the folder, for the message.
        folder: The folder to write to.
        data: The data folder.

    Raises:
        WrnError: If it is where class folders are, since it would count as one.
    """
    places = [Path(data, name) for name in list_split_names(Path(data))] or [Path(data)]
    for place in places:
        if Path(folder).resolve().is_relative_to(place.resolve()):
            raise WrnError(
                f'{option} {folder}: is among the images of {place.resolve()}, where it would '
                f'count as a class; choose a folder elsewhere, such as {option} ../run'
            )


def _check_writable(option: str, folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WrnError(
            f'{option}: cannot be written ({error.strerror}); choose another path'
        ) from error
