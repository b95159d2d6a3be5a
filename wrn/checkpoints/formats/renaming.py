"""Rename the keys of a state dict by a table, there and back."""

import re
from collections.abc import Mapping

from torch import Tensor


class Renaming:
    """A table of what parts of a network are called in OpenMMLab's format and in another.

    Args:
        table: Their name of each part by ours. In both, ``{stage}`` stands for the number of a
            stage from 1, ``{group}`` for that from 0 and ``{block}`` for that of a block.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self._to_ours = [(_pattern(theirs), ours) for ours, theirs in table.items()]
        self._to_theirs = [(_pattern(ours), theirs) for ours, theirs in table.items()]

    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename their keys to ours; what is not in the table keeps its name."""
        return {_rename(key, self._to_ours): value for key, value in state_dict.items()}

    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename our keys to theirs; what is not in the table keeps its name."""
        return {_rename(key, self._to_theirs): value for key, value in state_dict.items()}


def _pattern(name: str) -> re.Pattern[str]:
    pattern = re.escape(name)
    for part in ('stage', 'group', 'block'):
        pattern = pattern.replace(rf'\{{{part}\}}', rf'(?P<{part}>\d+)')
    return re.compile(rf'{pattern}(?=\.|$)')


def _rename(key: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, name in rules:
        if match := pattern.match(key):
            numbers = {part: int(number) for part, number in match.groupdict().items()}
            if 'group' in numbers:
                numbers['stage'] = numbers['group'] + 1
            elif 'stage' in numbers:
                numbers['group'] = numbers['stage'] - 1
            return name.format(**numbers) + key[match.end() :]
    return key
