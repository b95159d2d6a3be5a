"""The one rule for what is there already: a command replaces it only if it is told to."""

from pathlib import Path

from wrn_base.errors import WrnError


def check_free(path: str | Path, overwrite: bool = False, resumable: bool = False) -> None:
    """Check that a result can be written without replacing another one.

    Commands call this before their work, and again when they write.

    Args:
        path: The file or folder of the result. Devices and pipes keep nothing, so they are free.
        overwrite: Whether the user has allowed to replace it. Defaults to False.
        resumable: Whether it is from a run that ``--resume`` completes. Defaults to False.

    Raises:
        WrnError: If it exists.
    """
    path = Path(path)
    kept = (path.is_file() or path.is_dir()) and Path('/dev') not in path.parents
    if overwrite or not kept:
        return
    resume = ', --resume to complete its run' if resumable else ''
    raise WrnError(f'{path}: exists; add --overwrite to replace it{resume}, or choose another path')
