"""The option ``--cfg-options``, which overrides settings of a config."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, DictAction

from wrn.config.config_parts import RUN_KEYS, check_keys, check_values, set_default
from wrn_base.errors import WrnError, did_you_mean

_logger = logging.getLogger('wrn')


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
    action = parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    try:
        action(parser, parsed, words)
    except (ValueError, AssertionError, RecursionError) as error:  # the last, for dict(...)
        raise WrnError(
            f'--cfg-options {" ".join(words)}: expected KEY=VALUE of plain values, such as '
            'train_cfg.max_epochs=5'
        ) from error
    return parsed.cfg_options


def apply_settings(cfg: Config, settings: Mapping[str, Any]) -> None:
    """Apply ``--cfg-options`` to a config.

    Args:
        cfg: The config, which is changed.
        settings: The values by key.

    Raises:
        WrnError: If a key is misspelled. One that nothing reads is a warning.
    """
    for key in {key.partition('.')[0] for key in settings} - cfg.keys() - {*RUN_KEYS}:
        hint = did_you_mean(
            key, (*cfg.keys(), *RUN_KEYS), '; it has no effect unless your code does'
        )
        _logger.warning('--cfg-options %s: nothing here reads this key%s', key, hint)
    cfg.merge_from_dict(settings)
    check_keys(cfg)
    check_values(cfg)
    set_default(cfg, 'default_scope', 'mmpretrain')
