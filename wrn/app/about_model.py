"""What the page and ``/api/model`` say of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.model import BaseModel

from wrn.app.request_limits import RequestLimits
from wrn.deploy.classifier import get_num_classes, get_own_config, original_model
from wrn.inference.predictor import Predictor
from wrn.zoo.model_card import describe_preprocessing
from wrn.zoo.resolve import resolve
from wrn_base.card import describe_entry, fact_values
from wrn_base.errors import count

_KEYS = (
    'network', 'params', 'dataset', 'metrics', 'origin', 'provenance', 'license', 'sha256',
    'sha256_of_tensors', 'assumed', 'backend', 'precision',
)  # fmt: skip


def index_facts(model: BaseModel) -> dict[str, Any]:
    """Return what the model index says of a model, by the keys of :data:`wrn_base.card.KEYS`.

    Args:
        model: A model. One that is not built by its name has no entry.
    """
    entry = resolve(original_model(model)).entry
    if entry is None:
        return {}
    config = get_own_config(model)
    return fact_values(describe_entry(entry, config, describe_preprocessing(config)))


def describe_model(
    predictor: Predictor, name: str, limits: RequestLimits, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe a model as plain values.

    Args:
        predictor: The model.
        name: Its name.
        limits: What a request may ask for.
        facts: What else is known of it, by the keys of :data:`wrn_base.card.KEYS`.

    Returns:
        The ``model``, its ``classes``, ``preprocessing`` and ``limitations``, the ``limits`` of
        requests, and those of the facts that say what it is and where it comes from.
    """
    model: Any = original_model(predictor.model)
    images = describe_preprocessing(get_own_config(predictor.model)).values
    number = get_num_classes(model)
    if exported := getattr(model, 'metadata', None):  # has no options, but its own runtime
        facts = {**facts, 'backend': model.runtime, 'precision': exported.precision}
    classes = list(predictor.classes or ()) or None
    always = f'answers with its {count(number or 0, "class")}, whatever an image shows'
    special = facts.get('limitations')
    return dict(
        model=name,
        limitations=f'{special}; {always}' if special else always,
        num_classes=number,
        classes=classes,
        multi_label=predictor.multi_label,
        preprocessing=dict(images),
        **{key: facts[key] for key in _KEYS if facts.get(key)},
        weights=[_without_folder(path) for path in facts.get('weights') or ()],
        limits=limits.as_dict(),
    )


def _without_folder(path: str) -> str:
    """Return a URL as it is, and of a path, which says how this machine is set up, the name."""
    return path if '://' in path else Path(path).name
