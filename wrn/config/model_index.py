"""The models of this package: where their index, configs and weights are."""

from functools import cache
from pathlib import Path

from modelindex.load_model_index import load
from modelindex.models.Model import Model

SCHEME = 'wrn://'
_PACKAGE = Path(__file__).resolve().parents[1]


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
        weights if the package carries them, made absolute. Weights that have several sources are
        ``wrn://NAME``, which :func:`wrn.checkpoints.schemes.load_from_url` loads.
    """
    index = load(str(root() / 'model-index.yml'))
    index.build_models_with_collections()
    entries = {}
    for entry in index.models:
        entry.config = str(root() / entry.config)
        if sources(entry):
            entry.weights = SCHEME + entry.name
        elif entry.weights:
            entry.weights = str(_PACKAGE.parent / entry.weights)
        entries[entry.name.lower()] = entry
    return entries


def find(name: str) -> Model | None:
    """Find a model by its name here, or by the name of its weights elsewhere.

    Args:
        name: Such as ``wide-resnet50_3rdparty_8xb32_in1k``, ``timm/wide_resnet50_2.tv_in1k``, or
            the latter without its ``timm/``; in any case.

    Returns:
        Its entry in the index; None if there is none.
    """
    name = name.lower()
    if entry := models().get(name):
        return entry
    for entry in models().values():
        if name in _spellings(entry):
            return entry
    return None


def find_several(name: str) -> list[Model]:
    """Find the models that a name may mean which stands for several weights elsewhere.

    Args:
        name: The name of a network in torchvision or timm without that of its weights, such as
            ``wide_resnet50_2``, ``timm/wide_resnet50_2`` or ``Wide_ResNet50_2_Weights.DEFAULT``.

    Returns:
        Their entries in the index, none if the name is not such a one.
    """
    network = name.lower().removesuffix('.default')
    found = []
    for entry in models().values():
        networks = {spelling.partition('.')[0] for spelling in _spellings(entry)}
        if network in networks | {name.removesuffix('_weights') for name in networks}:
            found.append(entry)
    return found


def _spellings(entry: Model) -> set[str]:
    """Return what a model's weights are called elsewhere, with and without the library."""
    names = [alias.lower() for alias in aliases(entry)]
    return {*names, *(name.partition('/')[2] for name in names)}


def find_config(name: str) -> Path | None:
    """Find a config that this package ships.

    Args:
        name: Its path, ``configs/wrn/...``, or its file name without ``.py``.

    Returns:
        Its path; None if there is none.
    """
    for path in (root() / name, root() / 'configs' / 'wrn' / f'{name}.py'):
        if path.is_file():
            return path
    return None


def find_by_file(file: str) -> Model | None:
    """Find the model that a published file has the weights of.

    Args:
        file: The path or URL of the file; only its name is looked at.

    Returns:
        The first entry in the index with a URL of that name; None if there is none.
    """
    name = Path(file).name
    for entry in models().values():
        if name in [Path(url).name for url in sources(entry) if url.startswith('https://')]:
            return entry
    return None


def sources(entry: Model) -> list[str]:
    """Return the addresses from which a model's weights can be had, the best first."""
    return entry.data.get('Sources', [])


def aliases(entry: Model) -> list[str]:
    """Return what a model's weights are called elsewhere, as ``LIBRARY/NAME``."""
    return entry.data.get('Also Published As', [])


def weights_provenance(entry: Model) -> str:
    """Tell plainly whose weights a model has: published, trained here, or none."""
    if sources(entry):
        return 'published'
    return 'trained here' if entry.weights else 'config only'


def paper_results(entry: Model) -> list[str]:
    """Return the errors that the paper has of a network, and how they came about."""
    results = []
    for result in entry.data.get('In The Paper', []):
        errors = [f'{result[key]:.2f}' for key in ('Top 1 Error', 'Top 5 Error') if key in result]
        belongs_to = [result[key] for key in ('Preprocessing', 'Runs') if key in result]
        results.append(f'{" / ".join(errors)} ({", ".join(belongs_to)})')
    return results
