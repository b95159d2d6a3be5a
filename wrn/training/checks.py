"""Check a config for mistakes that a run would report late, or not at all."""

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmpretrain.datasets import BaseDataset, CustomDataset, ImageNet
from mmpretrain.models import ClsHead, MultiTaskHead
from mmpretrain.registry import DATASETS, MODELS, OPTIMIZERS

from wrn.config.config_parts import find_class, get_inner_model, unwrap_datasets
from wrn.data.class_folders import list_classes
from wrn.data.json_annotations import check_json
from wrn.data.listing import find_offset, read_labels
from wrn.training.evaluation import find_accuracies
from wrn.utils.files import check_regular, explain, read_lines
from wrn_base.errors import WrnError, count, one_line


def check_data_folders(name: str, dataset: ConfigDict, num_classes: int | None) -> str | None:
    """Check that the folder of an ImageNet-style dataset exists and has the right classes.

    Only local datasets of the types ``ImageNet`` and ``CustomDataset``, and annotation files in
    JSON, are checked.

    Args:
        name: The config key of the data loader, such as ``'train_dataloader'``.
        dataset: The config of its dataset, which may wrap others.
        num_classes: The number of classes of the model's head; None if it is unknown.

    Returns:
        A warning that the labels of its annotation files may count from 1; None if there is none.

    Raises:
        WrnError: If the folder or the annotation file is missing or empty, the number of class
            folders differs from ``num_classes``, or a line of the annotation file has no valid
            label.
    """
    labels: set[int] = set()
    for key, inner in unwrap_datasets(dataset, f'{name}.dataset'):
        labels |= _check_data_folder(key, inner, num_classes)
    reason = find_offset(labels)
    return reason and f'{name}: {reason}'


def _check_data_folder(key: str, dataset: ConfigDict, num_classes: int | None) -> set[int]:
    """Check a dataset that wraps no other, and return the labels in its annotation file."""
    labels: set[int] = set()
    _check_metainfo(key, dataset)
    kind = find_class(DATASETS, dataset.get('type'))
    root, annotations = (str(dataset.get(field) or '') for field in ('data_root', 'ann_file'))
    if '://' in root + annotations:
        return labels
    if annotations.endswith('.json') and isinstance(kind, type) and issubclass(kind, BaseDataset):
        classes = (dataset.get('metainfo') or {}).get('classes') or dataset.get('classes')
        labels = check_json(Path(root, annotations), num_classes, classes)
    option = f'--cfg-options {key}'
    if kind not in (ImageNet, CustomDataset):
        _check_annotations(Path(root, annotations), option, required=False)
        return labels
    split = dataset.get('split') or ''
    prefix = dataset.get('data_prefix') or split
    if isinstance(prefix, dict):
        prefix = prefix.get('img_path', '')
    if not (root or prefix or annotations):
        tested = key.startswith('test_dataloader')
        cure = 'add --data FOLDER' if tested else f'set {option}.data_root=FOLDER'
        raise WrnError(f'{key}: has no data folder; {cure}')
    folder, ann_file = Path(root, prefix), Path(root, annotations or f'meta/{split}.txt')
    if not folder.is_dir():
        raise WrnError(f'{folder}: the data folder does not exist; set {option}.data_root=FOLDER')
    if annotations:
        _check_annotations(ann_file, option)
    if dataset.get('with_label', True):
        if ann_file.is_file():
            # A test would count a label that is too large as an error.
            labels = {label for _, label in read_labels(ann_file, num_classes)}
        elif key.startswith('train_dataloader') or kind is ImageNet:  # others are matched by name
            _check_class_folders(key, folder, num_classes)
    named = dataset.get('metainfo') or dataset.get('classes')
    if kind is ImageNet and not named and num_classes not in (None, 1000):
        raise WrnError(
            f"{key}.type: 'ImageNet' has 1000 classes, but the head of the model has "
            f"{num_classes}; use 'CustomDataset' for other data (see docs/finetuning.md)"
        )
    return labels


def _check_annotations(ann_file: Path, option: str, required: bool = True) -> None:
    try:
        check_regular(ann_file)
    except OSError as error:
        if required or not isinstance(error, FileNotFoundError | IsADirectoryError):
            raise WrnError(
                f'{ann_file}: the annotation file {explain(error)}; set {option}.ann_file=FILE'
            ) from error


def _check_metainfo(key: str, dataset: ConfigDict) -> None:
    """Check the files that mmpretrain reads metadata from. It takes each text for a path first."""
    texts = {f'metainfo.{name}': text for name, text in (dataset.get('metainfo') or {}).items()}
    for name, text in {'classes': dataset.get('classes'), **texts}.items():
        if not text or not isinstance(text, str) or '://' in text:
            continue
        try:
            for _ in read_lines(Path(text).expanduser()):
                pass
        except FileNotFoundError:
            continue  # not a path
        except (OSError, UnicodeError) as error:
            raise WrnError(
                f'{text}: cannot be read as {key}.{name} ({one_line(error)}); give a text file '
                'with a value on each line, or a list'
            ) from error


def _check_class_folders(key: str, folder: Path, num_classes: int | None) -> None:
    classes = len(list_classes(folder))
    if num_classes is not None and num_classes != classes:
        cure = 'add a folder, even an empty one, for each missing class of the training data'
        if key.startswith('train_dataloader'):
            cure = 'to train on other data, see docs/finetuning.md'
        raise WrnError(
            f'{folder}: has {count(classes, "class folder")}, but the head of the model has '
            f'{count(num_classes, "class")}; {cure}'
        )


def check_topk(name: str, metrics: Any, num_classes: int | None) -> None:
    """Check that the head has at least k classes where top-k accuracy is measured.

    mmpretrain detects this only at the end of the first validation, after an epoch of training.

    Args:
        name: The config key of the evaluator, such as ``'val_evaluator'``.
        metrics: The config of one metric, or a list of them.
        num_classes: The number of classes of the model's head; None if it is unknown.

    Raises:
        WrnError: If the head has fewer classes.
    """
    for _, topk in find_accuracies(metrics):
        largest = max(topk)
        if num_classes is not None and largest > num_classes:
            raise WrnError(
                f'{name}.topk: top-{largest} accuracy needs at least {largest} classes, but the '
                f'head of the model has {num_classes}; set {name}.topk=1'
            )


def check_optimizer(cfg: Config) -> None:
    """Check that the optimizer's type is registered.

    mmengine reports "None is not a callable object" for an unknown type. Remove this check when
    mmengine names the type.

    Args:
        cfg: The config.

    Raises:
        WrnError: If the config has no ``optim_wrapper``.
        KeyError: If the type is not registered. Other registries raise the same error.
    """
    if cfg.get('optim_wrapper') is None:
        raise WrnError(f'{cfg.filename}: has no optim_wrapper; add one to train it')
    kind = (cfg.optim_wrapper.get('optimizer') or {}).get('type')
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        raise KeyError(f'{kind} is not in the optimizer registry')


def get_head(model: ConfigDict) -> tuple[ConfigDict, type]:
    """Return the config of a model's head and its class; ``object`` if it has none."""
    head = get_inner_model(model).get('head') or ConfigDict()
    return head, find_class(MODELS, head.get('type')) or object


def predicts_one_class(model: ConfigDict) -> bool:
    """Return whether a model predicts one class per image, from the type of its head.

    Args:
        model: The config of the model. An exported file, which has no head in it, does.
    """
    head, kind = get_head(model)
    return not head or issubclass(kind, ClsHead)


def check_single_task(option: str, model: ConfigDict) -> None:
    """Check that the predictions of a model are those of one task.

    Args:
        option: The option that asks for them, for the message.
        model: The config of the model.

    Raises:
        WrnError: If its head has several tasks.
    """
    if issubclass(get_head(model)[1], MultiTaskHead):
        raise WrnError(
            f'{option}: cannot hold the predictions of a MultiTaskHead; leave it out, or use '
            '--out FILE.pkl'
        )


def get_num_classes(model: ConfigDict) -> int | None:
    """Return the number of classes of a model's head, from its config; None if it is unknown."""
    model = get_inner_model(model)
    return (model.get('head') or {}).get('num_classes')
