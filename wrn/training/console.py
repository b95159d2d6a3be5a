"""Leave to the log file what fills screens at the start of a run."""

import logging
from typing import Any

from mmengine.logging import MMLogger

_UNREAD = (
    'paramwise_options',  # of each single weight
    'Exp name: ',  # at each epoch
    'The model and loaded state dict do not match exactly',  # of which we say what it means
    '"FileClient" will be deprecated',  # of mmengine's own code
    '"HardDiskBackend" is the alias',
)


class BriefConsole:
    """For a runner or strategy: its environment, config and hooks go to the log file alone."""

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
                handler.addFilter(_is_for_people)
        logger.info(f'environment, config and hooks are in {logger.log_file}')
        return logger


def _is_for_people(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    # The runner itself says in several lines what there is, hooks what comes out.
    said = record.module.endswith('runner') and record.levelno <= logging.INFO
    filling = said and '\n' in message
    return not filling and not message.startswith(_UNREAD)
