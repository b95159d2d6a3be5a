"""Check annotation files in OpenMMLab's JSON format."""

import codecs
import json
from pathlib import Path
from typing import Any

from wrn.data.class_names import same_classes
from wrn.utils.errors import WrnError, count, one_line, some
from wrn.utils.files import check_regular

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check_json(ann_file: Path, num_classes: int | None, classes: Any = None) -> None:
    """Check the labels and the class names of an annotation file.

    mmpretrain takes class names from the config before those of the file, whose labels are
    positions among its own names.

    Args:
        ann_file: The file.
        num_classes: The number of classes of the model's head; None if it is unknown.
        classes: The class names in the config. Defaults to None: those of the file are used.

    Raises:
        WrnError: If the file is missing or not JSON, names other classes than the config, or has a
            label that the head does not have.
    """
    try:
        check_regular(ann_file)
        data = ann_file.read_bytes()
        if data.startswith(_MARKS):
            raise ValueError('it has a byte order mark, which mmpretrain does not read')
        content = json.loads(data)
        own = (content.get('metainfo') or {}).get('classes')
        labels = [(item.get('img_path'), item.get('gt_label')) for item in content['data_list']]
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
    for path, label in labels:
        for value in label if isinstance(label, list) else [label]:
            wrong = not isinstance(value, int) or (num_classes and not 0 <= value < num_classes)
            if value is not None and wrong:
                raise WrnError(
                    f'{ann_file}: {path} has the label {value!r}, but the head of the model has '
                    f'{count(num_classes or 0, "class")}; labels count from 0'
                )
