"""What an examination finds."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal['ok', 'absent', 'warning', 'broken']


@dataclass(frozen=True)
class Finding:
    """One thing that was examined.

    Attributes:
        section: The group, such as ``'packages'``.
        name: What was examined, such as ``'torch'``.
        value: What was found, such as its version.
        status: ``'ok'``; ``'absent'`` if it is optional and not installed; ``'warning'`` if it may
            cause trouble; ``'broken'`` if it does not work. Defaults to ``'ok'``.
        problem: What is wrong. Empty if nothing is.
        cure: What to do about it. Empty if nothing is wrong.
    """

    section: str
    name: str
    value: str
    status: Status = 'ok'
    problem: str = ''
    cure: str = ''
