"""Override settings of a config."""

import logging
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from wrn.config.config_parts import RUN_KEYS, check_keys, check_values, set_default
from wrn_base.errors import did_you_mean

_logger = logging.getLogger('wrn')


def apply_settings(cfg: Config, settings: Mapping[str, Any]) -> None:
    """Apply ``--cfg-options`` to a config.

    Args:
        cfg: The config, which is changed.
        settings: The values by key.

    Raises:
        WrnError: If a key is misspelled. One that nothing reads is a warning.
    """
    known = {*cfg.keys(), *RUN_KEYS}
    unread = {key.partition('.')[0] for key in settings} - known
    cfg.merge_from_dict(settings)
    check_keys(cfg)
    check_values(cfg)
    for key in unread:
        hint = did_you_mean(key, known, '; it has no effect unless your code does')
        _logger.warning('--cfg-options %s: nothing here reads this key%s', key, hint)
    set_default(cfg, 'default_scope', 'mmpretrain')
