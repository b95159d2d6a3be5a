"""Find the images of a data folder to test on."""

from pathlib import Path

from wrn.data.class_folders import list_classes
from wrn.data.images.find import report_unreadable
from wrn.data.listing import list_split_names
from wrn_base.errors import WrnError


def find_test_images(
    folder: str | Path, ann_file: str | Path | None = None
) -> tuple[Path, Path | None]:
    """Find the images of a data folder to test on.

    Args:
        folder: A folder of class folders, or one with the folders ``test`` or ``val`` (or
            ``valid``, or ``validation``), beside ``train`` or not. The first of these that has
            class folders is used, or one whose images are listed in ``meta/val.txt``.
        ann_file: A file with a path relative to the folder and a label on each line, or JSON in
            OpenMMLab's format. Defaults to None.

    Returns:
        The folder that has the class folders, or that the paths in the annotation file are below;
        and the annotation file, None for class folders.

    Raises:
        WrnError: If the folder or file cannot be read, there is only a folder ``train``, or there
            are no class folders.
    """
    root = Path(folder)
    with report_unreadable(root):
        next(root.iterdir(), None)
    if ann_file is not None:
        return root, Path(ann_file)
    names = list_split_names(root)
    for name in ('test', 'val', 'valid', 'validation'):
        listed = root / 'meta' / f'{name}.txt'
        if name in names and name == 'val' and listed.is_file():
            return root / name, listed
        if name in names and list_classes(root / name):
            return root / name, None
    if names:
        raise WrnError(
            f'{folder}: has {" and ".join(names)}, but no folder test or val with class folders; '
            f'give {root / names[0]} to test on its images'
        )
    if not list_classes(root):
        raise WrnError(
            f'{folder}: has no folders of images, one for each class; give a folder that has them, '
            'or a list of images and labels with --ann-file'
        )
    return root, None
