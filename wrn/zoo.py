"""The models of this package: where their index, configs and weights are."""

from functools import cache
from pathlib import Path

from modelindex.load_model_index import load
from modelindex.models.Model import Model

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Return the folder of ``configs/``, ``tools/`` and ``model-index.yml``.

    That is ``wrn/.mim`` in an installed package, and the checkout in a source tree or an editable
    install.
    """
    shipped = _PACKAGE / '.mim'
    return shipped if shipped.is_dir() else _PACKAGE.parent


@cache
def models() -> dict[str, Model]:
    """Read the model index.

    Returns:
        The entry of each model by its lower-case name, with the path of its config, and of its
        weights if the package carries them, made absolute.
    """
    index = load(str(root() / 'model-index.yml'))
    index.build_models_with_collections()
    entries = {}
    for entry in index.models:
        entry.config = str(root() / entry.config)
        if entry.weights and '://' not in entry.weights:
            entry.weights = str(_PACKAGE.parent / entry.weights)
        entries[entry.name.lower()] = entry
    return entries
