"""Leave to the log file what fills screens at the start of a run."""

import logging
from typing import Any

from mmengine.logging import MMLogger


class BriefConsole:
    """For a runner or strategy: its environment, config and hooks go to the log file alone.

    So does what mmengine says of the settings of each single weight.
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger.

        Args:
            *args: As for :meth:`mmengine.runner.Runner.build_logger`.
            **kwargs: Likewise.

        Returns:
            The logger.
        """
        logger = super().build_logger(*args, **kwargs)  # type: ignore[misc]
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_brief)
        logger.info(f'environment, config and hooks are in {logger.log_file}')
        return logger


def _is_brief(record: logging.LogRecord) -> bool:
    if record.levelno > logging.INFO:
        return True
    message = record.getMessage()
    long = record.module.endswith('runner') and '\n' in message
    return not long and not message.startswith('paramwise_options')
