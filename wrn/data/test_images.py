"""Find the images of a data folder to test on."""

from pathlib import Path

from wrn.data.class_folders import list_classes
from wrn.data.images.find import report_unreadable
from wrn.data.listing import check_is_folder, list_split_names
from wrn.utils.files import check_regular
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
        WrnError: If the folder or file cannot be read, or there are no class folders but those in
            a folder ``train``.
    """
    root = Path(folder)
    check_is_folder(root, 'and the list of them as --ann-file FILE')
    with report_unreadable(root):
        next(root.iterdir(), None)
    if ann_file is not None:
        with report_unreadable(ann_file):
            check_regular(Path(ann_file))
        return root, Path(ann_file)
    places = {name.lower(): root / name for name in list_split_names(root)}
    for split in ('test', 'val', 'valid', 'validation'):
        listed = root / 'meta' / f'{split}.txt'
        if split in places and split == 'val' and listed.is_file():
            return places[split], listed
        if split in places and list_classes(places[split]):
            return places[split], None
    if places:
        names = [place.name for place in places.values()]
        raise WrnError(
            f'{folder}: has {" and ".join(names)}, but no folder test or val with class folders; '
            f'give {root / names[0]} to test on its images'
        )
    if not list_classes(root):
        raise WrnError(
            f'{folder}: has no class folders; put the images of each class into a folder with its '
            'name, or list the images and their labels with --ann-file FILE'
        )
    return root, None
