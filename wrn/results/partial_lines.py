"""Format and parse the lines of a partial file."""

import json
import math
import zlib
from typing import Any

import numpy as np

from wrn.results.record import Record


def parse_batch(line: bytes, values: bytes) -> list[Record]:
    """Return the records of a line, with their arrays.

    Args:
        line: The JSON list, as :func:`format_line` writes it.
        values: The bytes of the arrays.

    Raises:
        ValueError, TypeError, AttributeError, RecursionError: If it is another program's line.
    """
    batch: list[Record] = json.loads(line)
    position = 0
    for record in batch:
        if not record.keys() <= Record.__annotations__.keys() or 'img_path' not in record:
            raise ValueError
        for name, shape in record.get('stages', {}).items():
            if min(shape, default=0) < 0:
                raise ValueError
            array = np.frombuffer(values, '<f4', math.prod(shape), position).reshape(shape)
            record['stages'][name] = array
            position += array.nbytes
    return batch


def checksum(*parts: bytes) -> int:
    """Return the CRC-32 of bytes in several parts."""
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return value


def format_line(value: object) -> bytes:
    """Return a value as a line of JSON, in which shapes replace arrays."""
    return f'{json.dumps(value, default=np.shape)}\n'.encode()  # ASCII, whatever the names are


def parse_line(line: bytes) -> Any:
    """Parse a line. Return None if it is not JSON, or is cut off."""
    try:
        return json.loads(line) if line.endswith(b'\n') else None
    except (ValueError, RecursionError):
        return None
