"""Formats that differ from OpenMMLab's only in their keys."""

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat


class RenamedFormat(CheckpointFormat):
    """A format that differs from OpenMMLab's only in its keys.

    Attributes:
        table: The format's name of each part of a network, by OpenMMLab's name. In both names,
            ``{stage}`` is the number of a stage from 1, ``{group}`` is this number from 0, and
            ``{block}`` is the number of a block from 0.
    """

    table: ClassVar[Mapping[str, str]]

    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the keys."""
        return rename(state_dict, {theirs: ours for ours, theirs in self.table.items()})

    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the keys, and drop those that the format does not have."""
        kept = {key: value for key, value in state_dict.items() if not key.endswith(self.drops)}
        return rename(kept, self.table)


def rename(state_dict: Mapping[str, Tensor], table: Mapping[str, str]) -> dict[str, Tensor]:
    """Rename the keys of a state dict; keys that are not in the table stay.

    Args:
        state_dict: The weights.
        table: The new name of each part by its old name, as in :class:`RenamedFormat`.
    """
    rules = [(_pattern(old), new) for old, new in table.items()]
    return {_rename(key, rules): value for key, value in state_dict.items()}


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
