"""Parse the option ``--cfg-options``, which overrides settings of a config."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from wrn_base.errors import WrnError


class _KeepSpaces(DictAction):
    """mmengine's parser, which removes the spaces of a path."""

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        text = val.strip('\'" ')
        is_text = ' ' in text and ',' not in text and not text.startswith(('(', '['))
        return text if is_text else DictAction._parse_iterable(val)


def parse_settings(words: Sequence[str] | None) -> dict[str, Any]:
    """Parse the words of ``--cfg-options``.

    Args:
        words: ``KEY=VALUE`` words. None means that there are none.

    Returns:
        The values by key.

    Raises:
        WrnError: If a word is none, or its value is not plain.
    """
    if not words:
        return {}
    parser, parsed = argparse.ArgumentParser(), argparse.Namespace()
    action = parser.add_argument('--cfg-options', nargs='+', action=_KeepSpaces)
    try:
        action(parser, parsed, words)
    except (ValueError, AssertionError, RecursionError) as error:  # the last, for dict(...)
        raise WrnError(
            f'--cfg-options {" ".join(words)}: expected KEY=VALUE of plain values, such as '
            'train_cfg.max_epochs=5'
        ) from error
    return parsed.cfg_options
