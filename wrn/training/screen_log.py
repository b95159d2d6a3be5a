"""Keep mmengine's log off the screen, apart from what a user needs to know; the file has it all."""

import logging
import os
from typing import Any

import mmcv
import mmengine
import mmpretrain
import torch
import torchvision
from mmengine.logging import MMLogger

_OTHERS = tuple(
    os.path.join(os.path.dirname(str(package.__file__)), '')
    for package in (mmengine, mmcv, mmpretrain, torch, torchvision)
)
_logger = logging.getLogger('wrn')
_held: list[logging.LogRecord] = []


class _ForwardImportant(logging.Handler):
    """Forward errors, and warnings of this package and of the user's modules, to our own log.

    The command line shows that log. Other programs get it as they get that of any library.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or not _is_of_others(record.pathname):
            _logger.log(record.levelno, '%s', ' '.join(record.getMessage().splitlines()))


def keep_off_screen(logger: MMLogger) -> None:
    """Let a logger write its file only, and forward what a user needs to know.

    Args:
        logger: The logger of a run.
    """
    for index, handler in enumerate(logger.handlers):
        if not isinstance(handler, logging.FileHandler):
            forward = _ForwardImportant(max(handler.level, logging.WARNING))
            forward.filters = handler.filters  # no duplicates
            logger.handlers[index] = forward
    write_any_text(logger)
    if logger.log_file is not None:
        while _held:
            logger.handle(_held.pop(0))


def write_any_text(logger: MMLogger) -> None:
    """Let a logger write its file in UTF-8. mmengine takes the system's encoding.

    That of Windows has few of the characters of file names.

    Args:
        logger: The logger of a run.
    """
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            stream: Any = handler.stream
            stream.reconfigure(encoding='utf-8', errors='backslashreplace')


def log_warning(message: Warning | str, category: type[Warning], *place: Any) -> bool:
    """Write a warning of the packages that a run uses to its log instead of the screen.

    Warnings before the log exists are held until :func:`keep_off_screen` gets it.

    Args:
        message: The warning.
        category: Its class.
        *place: The file and line that it comes from, and what else ``warnings.showwarning`` gets.

    Returns:
        False if it is a warning of another package.
    """
    path, line = place[:2]
    if not _is_of_others(path):
        return False
    logger = MMLogger.get_current_instance()
    text = f'{category.__name__}: {message}'
    record = logger.makeRecord(logger.name, logging.WARNING, path, line, text, (), None)
    if logger.log_file is None:
        _held.append(record)
    else:
        logger.handle(record)
    return True


def _is_of_others(path: str) -> bool:
    return path.startswith(_OTHERS)
