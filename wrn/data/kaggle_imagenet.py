"""Link the folders of Kaggle's ImageNet, and write its labels as mmpretrain reads them."""

import csv
import shutil
from pathlib import Path

from wrn.data.images import is_hidden
from wrn.utils.existing import check_free
from wrn.utils.files import check_regular, write_atomically
from wrn_base.errors import WrnError, one_line


def link_kaggle(folder: Path, out: Path, overwrite: bool = False) -> None:
    """Link ``train`` and ``val``, and write the labels of ``val`` to ``meta/val.txt``.

    Args:
        folder: The folder of ``ILSVRC`` and ``LOC_val_solution.csv``.
        out: The folder to make.
        overwrite: Whether to replace other links, folders and labels. Defaults to False.

    Raises:
        WrnError: If the labels do not belong to the images, or something else is in ``out``.
        OSError: If a file cannot be read or written.
    """
    images = folder.resolve() / 'ILSVRC' / 'Data' / 'CLS-LOC'
    folders = (path for path in (images / 'train').iterdir() if path.is_dir())
    classes = sorted(path.name for path in folders if not is_hidden(path.name))
    labels = {name: label for label, name in enumerate(classes)}
    solution = folder / 'LOC_val_solution.csv'
    lines: list[str] = []
    check_regular(solution)
    with solution.open(newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            name = (row.get('PredictionString') or '').partition(' ')[0]
            if name not in labels:
                raise WrnError(
                    f'{solution}: line {len(lines) + 2}: {name!r} is not in train; download both '
                    'again'
                )
            lines.append(f'{row["ImageId"]}.JPEG {labels[name]}\n')
    links = {out / split: images / split for split in ('train', 'val')}
    links = {link: target for link, target in links.items() if link.resolve() != target}
    for link in links:
        check_free(link, overwrite)
    labels_file, content = out / 'meta' / 'val.txt', ''.join(sorted(lines)).encode()
    if not (labels_file.is_file() and labels_file.read_bytes() == content):
        with write_atomically(labels_file, overwrite) as annotations:
            annotations.write(content)
    for link, target in links.items():
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(target, target_is_directory=True)
        except OSError as error:
            raise WrnError(
                f'{link}: cannot be a link to {target} ({one_line(error)}); on Windows, turn on '
                'its developer mode, or move the folder there'
            ) from error
