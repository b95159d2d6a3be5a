"""Keep off standard output what packages print while they are imported.

mmpretrain's fork (onedl-mmpretrain 1.3.6) prints that a package of its own is not installed, which
would stand before the JSON of a command. This can go when it logs that instead.
"""

import contextlib
import io
from collections.abc import Iterator


@contextlib.contextmanager
def silent_imports() -> Iterator[None]:
    """Drop what is printed during a block."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
