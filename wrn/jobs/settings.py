"""Override settings of a config."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from wrn.config.config_errors import describe_error, find_unexpected
from wrn.config.config_parts import RUN_KEYS, check_keys, check_values, set_default
from wrn_base.errors import WrnError, did_you_mean

_logger = logging.getLogger('wrn')


@contextlib.contextmanager
def name_settings(settings: Mapping[str, Any] | None) -> Iterator[None]:
    """Name the setting in the error of a constructor that does not have such an argument.

    Args:
        settings: The values by key. None means that there are none.

    Raises:
        WrnError: If the block does.
    """
    try:
        yield
    except WrnError as error:
        cause = error.__cause__
        name = find_unexpected(cause)
        keys = [key for key in settings or () if key.rpartition('.')[2] == name]
        if not keys or not isinstance(cause, Exception):
            raise
        raise WrnError(f'--cfg-options {" or ".join(keys)}: {describe_error(cause)}') from cause


def apply_settings(cfg: Config, settings: Mapping[str, Any]) -> None:
    """Apply ``--cfg-options`` to a config.

    Args:
        cfg: The config, which is changed.
        settings: The values by key.

    Raises:
        WrnError: If a key is misspelled. One that nothing reads is a warning.
    """
    if not isinstance(settings, Mapping):
        raise WrnError(f'--cfg-options {settings!r}: must be a dict of values by key')
    known = {*cfg.keys(), *RUN_KEYS}
    unread = {key.partition('.')[0] for key in settings} - known
    cfg.merge_from_dict(settings)
    check_keys(cfg)
    check_values(cfg)
    for key in unread:
        hint = did_you_mean(key, known, '; it has no effect unless your code does')
        _logger.warning('--cfg-options %s: nothing here reads this key%s', key, hint)
    set_default(cfg, 'default_scope', 'mmpretrain')
