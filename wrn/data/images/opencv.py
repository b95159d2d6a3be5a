"""Decode images by OpenCV, without its messages."""

import threading
from typing import Any

import cv2
import numpy as np

from wrn.data.images.header import Header
from wrn.data.images.png import drop_unused_chunks

_opencv_log: Any = getattr(cv2.utils, 'logging', cv2)  # OpenCV 4.14 moved it
_OPENCV_SILENT = 0


def decode_by_opencv(content: bytes, header: Header, flag: int) -> np.ndarray | None:
    """Decode the content of an image file as mmpretrain does.

    Args:
        content: The content.
        header: Its header.
        flag: The flags of :func:`cv2.imdecode`.

    Returns:
        The pixels. None if OpenCV cannot decode it.
    """
    if header.format == 'AVIF':
        return None  # OpenCV allocates more for a frame, which may be larger than the header states
    if header.format == 'PNG':
        if b'IEND' not in content:
            return None  # truncated; libpng would print a line about it
        content = drop_unused_chunks(content, gray=not flag & cv2.IMREAD_COLOR)
    with _silent:
        try:
            return cv2.imdecode(np.frombuffer(content, np.uint8), flag)
        except cv2.error:
            return None


class _Silent:
    """Silence OpenCV while any thread is in the block. All threads share its log level."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._level = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._threads == 0:
                self._level = _opencv_log.getLogLevel()
                _opencv_log.setLogLevel(_OPENCV_SILENT)
            self._threads += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads == 0:
                _opencv_log.setLogLevel(self._level)


_silent = _Silent()
