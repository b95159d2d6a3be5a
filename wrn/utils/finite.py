"""Numbers that JSON has."""

import math
from typing import Any


def to_finite(value: Any) -> Any:
    """Replace the numbers that JSON does not have, NaN and the infinite ones, by None.

    Args:
        value: A value of JSON, with any numbers.
    """
    if isinstance(value, dict):
        return {key: to_finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
