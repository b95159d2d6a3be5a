"""Format durations."""

_MINUTE, _HOUR = 60, 3600  # seconds


def format_duration(seconds: float) -> str:
    """Return a duration with the digits that an estimate deserves, such as ``'1 h 20 min'``.

    Args:
        seconds: The duration.
    """
    if seconds < _MINUTE:
        return f'{max(1, round(seconds))} s'
    if seconds < _HOUR:
        return f'{round(seconds / _MINUTE)} min'
    hours, minutes = divmod(10 * round(seconds / _MINUTE / 10), 60)
    return f'{hours} h {minutes} min' if minutes and hours < 10 else f'{round(seconds / _HOUR)} h'
