"""Check annotation files in OpenMMLab's JSON format."""

import json
import math
from pathlib import Path
from typing import Any

from wrn.data.class_names import same_classes
from wrn.utils.files import check_regular
from wrn_base.errors import WrnError, one_line, some


def check_json(ann_file: Path, num_classes: int | None, classes: Any = None) -> set[int]:
    """Check the labels and the class names of an annotation file.

    mmpretrain takes class names from the config before those of the file, whose labels are
    positions among its own names.

    Args:
        ann_file: The file.
        num_classes: The number of classes of the model's head; None if it is unknown.
        classes: The class names in the config. Defaults to None: those of the file are used.

    Returns:
        The labels of all images.

    Raises:
        WrnError: If the file is missing or not JSON, names other classes than the config, or has an
            entry without a path or a label, or with a label that the head does not have.
    """
    try:
        check_regular(ann_file)
        content = json.loads(ann_file.read_bytes().decode('utf-8-sig'))
        own = content['metainfo'].get('classes')
        entries = [(item.get('img_path'), item.get('gt_label')) for item in content['data_list']]
    except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise WrnError(
            f'{ann_file}: cannot be read as annotations ({one_line(error)}); give JSON in '
            'UTF-8 with metainfo and data_list'
        ) from error
    if own and isinstance(classes, list | tuple) and not same_classes(own, classes):
        raise WrnError(
            f'{ann_file}: names the classes {some(own)} in another way than metainfo.classes in '
            f'the config, {some(classes)}; leave out metainfo.classes, or give the same names'
        )
    labels: set[int] = set()
    for number, (path, label) in enumerate(entries, 1):
        if not isinstance(path, str):
            raise WrnError(f'{ann_file}: entry {number} of data_list has no img_path; add it')
        if label is None:
            raise WrnError(f'{ann_file}: {path} has no gt_label; add it')
        for value in label if isinstance(label, list) else [label]:
            is_number = isinstance(value, int) and not isinstance(value, bool)
            if not (is_number and 0 <= value < (num_classes or math.inf)):
                last = f' to {num_classes - 1}, the last class' if num_classes else ''
                raise WrnError(
                    f'{ann_file}: {path} has the label {value!r}; give an integer from 0{last}'
                )
            labels.add(value)
    return labels
