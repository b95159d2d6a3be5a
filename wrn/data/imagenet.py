"""Turn ImageNet's archives, or Kaggle's folders, into the folders that mmpretrain reads."""

import contextlib
import hashlib
import io
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from torchvision.datasets.imagenet import ARCHIVE_META

from wrn.data.imagenet_classes import CLASS
from wrn.data.kaggle_imagenet import link_kaggle
from wrn.utils.packages import missing_packages
from wrn_base.errors import WrnError, count, one_line, some

Track: TypeAlias = Callable[[Sequence[Any], str], Iterable[Any]]

_CLASS_ARCHIVE = re.compile(r'n\d{8}\.tar')
_IMAGE = re.compile(r'\w+\.JPEG')
_CHUNK = 1 << 24


def prepare_imagenet(
    folder: str | Path,
    out: str | Path,
    verify: bool = False,
    track: Track = lambda items, title: items,
    overwrite: bool = False,
) -> None:
    """Make the folders ``train`` and ``val``, with a folder for each class.

    Images are extracted from the official archives to ``.incomplete`` in ``out``. Each class of
    ``train``, and ``val`` as a whole, is moved to its place when it is complete. Existing ones stay
    as they are, so a second call resumes an interrupted one.

    Kaggle's images are not copied. ``train`` and ``val`` are links, and the labels are written to
    ``meta/val.txt``.

    Args:
        folder: The folder of the archives: ``ILSVRC2012_img_train.tar``, or
            ``ILSVRC2012_img_val.tar`` and ``ILSVRC2012_devkit_t12.tar.gz``, or all three. Or the
            folder of Kaggle's ``ILSVRC`` and ``LOC_val_solution.csv``.
        out: The folder to make.
        verify: Whether to compare the MD5 of the archives with the official ones first. Defaults
            to False.
        track: Shows the progress. Its arguments are the items to process and a title. It yields
            the items. Defaults to showing nothing.
        overwrite: Whether to replace what is in ``out``, instead of completing it. Defaults to
            False.

    Raises:
        WrnError: If a file is missing, damaged or not the official one, if ``out`` has links or
            labels of another download, or if it cannot be written or has too little space.
    """
    folder, out = Path(folder), Path(out)
    try:
        if (folder / 'ILSVRC' / 'Data' / 'CLS-LOC').is_dir():
            link_kaggle(folder, out, overwrite)
        else:
            _extract_archives(folder, out, verify, track, overwrite)
    except OSError as error:
        name = error.filename or out
        raise WrnError(
            f'{name}: cannot be read or written ({one_line(error)}); check both folders'
        ) from error


def _extract_archives(folder: Path, out: Path, verify: bool, track: Track, overwrite: bool) -> None:
    found = {split: folder / name for split, (name, _) in ARCHIVE_META.items()}
    found = {split: path for split, path in found.items() if path.is_file()}
    if not {'train', 'val'} & found.keys():
        names = ', '.join(name for name, _ in ARCHIVE_META.values())
        raise WrnError(
            f"{folder}: has neither ImageNet's archives ({names}) nor a folder "
            'ILSVRC/Data/CLS-LOC; give the folder of the downloaded files'
        )
    if 'val' in found and 'devkit' not in found:
        raise WrnError(
            f'{folder / ARCHIVE_META["devkit"][0]}: not found; download it, since it has the '
            'classes of the validation images'
        )
    for split, path in found.items() if verify else ():
        _verify(path, ARCHIVE_META[split][1], track)
    classes, val_classes = _read_devkit(found['devkit']) if 'devkit' in found else ([], [])
    incomplete = out / '.incomplete'  # not in train, where mmpretrain would take it for a class
    shutil.rmtree(incomplete, ignore_errors=True)  # of a call that was killed
    incomplete.mkdir(parents=True)
    try:
        with_val = 'val' in found and (overwrite or not (out / 'val').exists())
        val_size = found['val'].stat().st_size if with_val else 0
        if 'train' in found:
            todo = (out / 'train', incomplete, val_size, track, overwrite)
            _extract_train(found['train'], classes, *todo)
        if with_val:
            _check_space(incomplete, val_size)
            _extract_val(found['val'], val_classes, out / 'val', incomplete, track)
    finally:
        shutil.rmtree(incomplete)


def _verify(archive: Path, md5: str, track: Track) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    chunks = range(0, archive.stat().st_size, _CHUNK)
    with archive.open('rb') as file:
        for _ in track(chunks, f'Verifying {archive.name}'):
            digest.update(file.read(_CHUNK))
    if digest.hexdigest() != md5:
        raise WrnError(f'{archive}: wrong MD5 (expected {md5}); download it again')


def _read_devkit(archive: Path) -> tuple[list[str], list[str]]:
    """Return all classes, and the class of each validation image in order."""
    if missing := missing_packages('scipy'):
        raise WrnError(f'{archive}: {missing}')
    from scipy.io import loadmat

    try:
        with tarfile.open(archive) as tar:
            folder = f'{archive.name.removesuffix(".tar.gz")}/data'
            meta, labels = (
                tar.extractfile(f'{folder}/{name}').read()  # type: ignore[union-attr]
                for name in ('meta.mat', 'ILSVRC2012_validation_ground_truth.txt')
            )
        synsets = loadmat(io.BytesIO(meta), squeeze_me=True)['synsets']
        leaves = [s for s in synsets if s['num_children'] == 0]
        names = {int(s['ILSVRC2012_ID']): str(s['WNID']) for s in leaves}
        if any(not CLASS.fullmatch(name) for name in names.values()):
            raise ValueError('a class has an invalid name')
        return list(names.values()), [names[int(line)] for line in labels.split()]
    except (tarfile.TarError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise WrnError(
            f'{archive}: is damaged or not the official file ({error}); download it again'
        ) from error


def _extract_train(
    archive: Path,
    classes: list[str],
    train: Path,
    incomplete: Path,
    reserve: int,
    track: Track,
    overwrite: bool,
) -> None:
    with _open(archive, _CLASS_ARCHIVE) as (tar, members):
        if missing := {*classes} - {name.removesuffix('.tar') for name in members}:
            raise tarfile.TarError(f'{count(len(missing), "class")} missing: {some(missing)}')
        todo = [
            name
            for name in members
            if overwrite or not (train / name.removesuffix('.tar')).exists()
        ]
        _check_space(incomplete, reserve + sum(members[name].size for name in todo))
        train.mkdir(exist_ok=True)
        for name in track(todo, 'Unpacking train'):
            folder = incomplete / name.removesuffix('.tar')
            folder.mkdir()
            with _open(archive, _IMAGE, tar.extractfile(members[name])) as (images, files):
                for file in files:
                    _extract(images, files[file], folder / file)
            _replace(folder, train / folder.name)


def _extract_val(
    archive: Path, classes: list[str], val: Path, incomplete: Path, track: Track
) -> None:
    with _open(archive, _IMAGE) as (tar, members):
        if len(members) != len(classes):
            raise tarfile.TarError(f'{count(len(members), "image")} instead of {len(classes)}')
        folder = incomplete / 'val'
        folder.mkdir()
        for name in {*classes}:
            (folder / name).mkdir()
        files = list(zip(sorted(members), classes, strict=True))
        for file, name in track(files, 'Unpacking val'):
            _extract(tar, members[file], folder / name / file)
        _replace(folder, val)


@contextlib.contextmanager
def _open(
    archive: Path, names: re.Pattern[str], file: Any = None
) -> Iterator[tuple[tarfile.TarFile, dict[str, tarfile.TarInfo]]]:
    """Open an archive, and yield it and its members by name. They must be regular files.

    A :class:`tarfile.TarError` of the block, too, is reported as damage of the archive.
    """
    try:
        with tarfile.open(archive, 'r:', file) as tar:
            members = tar.getmembers()
            for member in members:
                if not (member.isreg() and not member.issparse() and names.fullmatch(member.name)):
                    raise tarfile.TarError(f'{member.name!r} is in it')
            yield tar, {member.name: member for member in members}
    except tarfile.TarError as error:
        raise WrnError(
            f'{archive}: is damaged or not the official file ({error}); download it again'
        ) from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content: Any = tar.extractfile(member)
    with path.open('xb') as file:
        shutil.copyfileobj(content, file)


def _replace(complete: Path, place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)
    complete.rename(place)


def _check_space(folder: Path, size: int) -> None:
    if (free := shutil.disk_usage(folder).free) < size:
        raise WrnError(
            f'{folder.parent}: {size / 1e9:.1f} GB are needed, but the disk has '
            f'{free / 1e9:.1f} GB free; free some space, or give another folder'
        )
