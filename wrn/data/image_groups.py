"""The group of each image, such as a patient, a slide or a video, which one split keeps whole."""

import contextlib
import csv
import logging
import os
import re
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from wrn.utils.files import read_lines
from wrn_base.errors import WrnError, count, one_line, some

_COLUMNS = ('path', 'group')
_DELIMITERS = (',', ';', '\t')  # spreadsheets of many countries write the second
_logger = logging.getLogger('wrn')


def find_groups(option: str, paths: Sequence[str], folder: str | Path) -> dict[str, str]:
    """Return the group of each image.

    Args:
        option: The path of a ``.csv`` file with the columns ``path`` and ``group``, or a regular
            expression that is searched in the path of each image. The group is then what the first
            parentheses of the expression match, or, without parentheses, the whole match.
        paths: The paths of the images, relative to the data folder.
        folder: The data folder.

    Returns:
        The group of each path.

    Raises:
        WrnError: If the file or the expression cannot be read, or an image has no group.
    """
    if option.lower().endswith('.csv'):
        known = {*map(os.path.normpath, paths)}
        groups = _read_table(option, folder, known)
        cure = 'add a line with a group for each'
        name = Path(folder).absolute().name
        if groups and all(Path(path).parts[:1] == (name,) for path in groups):
            cure = f'leave out {name}/ at the start of its paths, which are below the folder'
        elif {path for path in known if not groups.get(path)} <= groups.keys():
            cure = 'fill in the column group of each'
        if unknown := groups.keys() - known:
            _logger.warning(
                '--groups %s: names %s that %s does not have (%s)',
                option,
                count(len(unknown), 'image'),
                folder,
                some(unknown),
            )
        found = {path: groups.get(os.path.normpath(path)) for path in paths}
    else:
        found, cure = _search(option, paths), 'change the expression, or give a .csv file'
    if missing := [path for path, group in found.items() if not group]:
        raise WrnError(
            f'--groups {option}: gives no group for {count(len(missing), "image")} of {folder} '
            f'({some(missing)}); {cure}'
        )
    return {path: group for path, group in found.items() if group}


def check_several_groups(option: str, groups: Sequence[str], folder: str | Path) -> None:
    """Check that the images to draw a validation split from are in more than one group.

    Args:
        option: As for :func:`find_groups`.
        groups: The group of each of these images.
        folder: The data folder, for the message.

    Raises:
        WrnError: If they are in one group, of which nothing can be left out of training.
    """
    if len({*groups}) < 2:
        what = 'the file' if option.lower().endswith('.csv') else 'the expression'
        raise WrnError(
            f'--groups {option}: puts all {count(len(groups), "image")} of {folder} into one group '
            f'({groups[0]}), which leaves none for validation; change {what}, or leave out '
            '--groups'
        )


def _search(expression: str, paths: Iterable[str]) -> dict[str, str | None]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise WrnError(
            f'--groups {expression}: neither a .csv file nor a regular expression ({error}); '
            "correct it, as in --groups 'patient_([0-9]+)'"
        ) from error
    found: dict[str, str | None] = {}
    for path in paths:
        match = pattern.search(Path(path).as_posix())
        found[path] = match[1 if pattern.groups else 0] if match else None
    return found


def _read_table(path: str, folder: str | Path, known: Container[str]) -> dict[str, str]:
    """Return the group of each path. Backslashes that no name has are those of Windows."""
    try:
        lines = list(filter(None, read_lines(path)))
    except (OSError, UnicodeError) as error:
        raise WrnError(
            f'--groups {path}: cannot be read ({one_line(error)}); check the path and the file'
        ) from error
    header = lines[0] if lines else ''
    delimiter = next((d for d in _DELIMITERS if d in header), ',')
    groups: dict[str, str] = {}
    from_windows = 0
    try:
        reader = csv.DictReader(lines, delimiter=delimiter)
        names = {name.strip().lower(): name for name in reader.fieldnames or ()}
        if missing := [name for name in _COLUMNS if name not in names]:
            raise WrnError(
                f'--groups {path}: has no column {" and no column ".join(missing)}; give the '
                'columns path and group, with their names in the first line'
            )
        for row in reader:
            image, group = ((row[names[name]] or '').strip() for name in _COLUMNS)
            with contextlib.suppress(ValueError):  # it is on another drive of Windows
                if os.path.isabs(image):
                    image = os.path.relpath(image, Path(folder).absolute())
            image = os.path.normpath(image)
            slashed = os.path.normpath(image.replace('\\', '/'))
            if image not in known and slashed in known:
                image = slashed
                from_windows += 1
            if groups.setdefault(image, group) != group:
                raise WrnError(
                    f'--groups {path}: {image} is in two groups, {groups[image]} and {group}; '
                    'keep one'
                )
    except csv.Error as error:
        raise WrnError(f'--groups {path}: not a CSV file ({error}); correct it') from error
    if from_windows:
        number = count(from_windows, 'path')
        _logger.warning('--groups %s: \\ is taken as / in %s', path, number)
    return groups
