"""`wrn convert` as a function: from the path of a file and of a config."""

from pathlib import Path
from typing import Any

from wrn.checkpoints.checkpoint_file import open_checkpoint
from wrn.checkpoints.convert import Converted, convert
from wrn.config.config_file import read_config


def convert_file(
    checkpoint: str | Path, *args: Any, config: str | Path | None = None, **kwargs: Any
) -> Converted:
    """Convert a file; the other arguments are those of :func:`wrn.checkpoints.convert.convert`."""
    options = read_config(config) if config else None
    return convert(open_checkpoint(str(checkpoint)), *args, config=options, **kwargs)
