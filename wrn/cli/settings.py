"""The option ``--cfg-options``, which overrides settings of a config."""

import argparse
import logging
from typing import Any

from mmengine.config import Config, DictAction

from wrn.cli.arguments import argument
from wrn.config.config_parts import RUN_KEYS, check_keys, check_values, set_default
from wrn_base.errors import did_you_mean

_logger = logging.getLogger('wrn')


class _SettingsAction(DictAction):
    """mmengine's ``DictAction``, without its traceback if there is no ``=``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        *args: Any,
    ) -> None:
        """Parse ``KEY=VALUE`` words."""
        try:
            super().__call__(parser, namespace, values, *args)
        except (ValueError, AssertionError, RecursionError) as error:  # the last, for dict(...)
            reason = f'expected KEY=VALUE of plain values, got {" ".join(values)}'
            raise argparse.ArgumentError(self, reason) from error


SETTINGS_ARGUMENT = {
    '--cfg-options': argument(
        'KEY=VALUE',
        'settings to override in the config, such as train_cfg.max_epochs=5; lists as key="[a,b]"',
        nargs='+',
        action=_SettingsAction,
    )
}


def apply_settings(cfg: Config, args: argparse.Namespace) -> None:
    """Apply ``--cfg-options`` to a config.

    Args:
        cfg: The config, which is changed.
        args: The arguments, with :data:`SETTINGS_ARGUMENT`.

    Raises:
        WrnError: If a key is misspelled. One that nothing reads is a warning.
    """
    settings = args.cfg_options or {}
    for key in {key.partition('.')[0] for key in settings} - cfg.keys() - {*RUN_KEYS}:
        hint = did_you_mean(
            key, (*cfg.keys(), *RUN_KEYS), '; it has no effect unless your code does'
        )
        _logger.warning('--cfg-options %s: nothing here reads this key%s', key, hint)
    cfg.merge_from_dict(settings)
    check_keys(cfg)
    check_values(cfg)
    set_default(cfg, 'default_scope', 'mmpretrain')
