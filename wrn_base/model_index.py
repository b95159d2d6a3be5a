"""Find the models of this package: their index entries, configs and weights."""

from functools import cache
from pathlib import Path

from modelindex.load_model_index import load
from modelindex.models.Model import Model

from wrn_base.errors import WrnError

SCHEME = 'wrn://'
_PACKAGE = Path(__file__).resolve().parents[1] / 'wrn'


def root() -> Path:
    """Return the folder that contains ``configs/``, ``tools/`` and ``model-index.yml``.

    Returns:
        ``wrn/.mim`` in an installed package; the checkout in an editable install.
    """
    shipped = _PACKAGE / '.mim'
    return shipped if shipped.is_dir() else _PACKAGE.parent


@cache
def models() -> dict[str, Model]:
    """Read the model index.

    Returns:
        The entries by lower-case model name. The paths of configs and of weights in the package are
        absolute, and ``data['File']`` is the name of the file of weights. Downloadable weights are
        ``wrn://NAME``, which :func:`wrn.checkpoints.schemes.load_from_url` loads from the first URL
        that works.
    """
    index = load(str(root() / 'model-index.yml'))
    index.build_models_with_collections()
    entries = {}
    for entry in index.models:
        entry.config = str(root() / entry.config)
        entry.data['File'] = Path(entry.weights or '').name
        if urls(entry):
            entry.weights = SCHEME + entry.name
        elif entry.weights:
            entry.weights = str(_PACKAGE.parent / entry.weights)
        entries[entry.name.lower()] = entry
    return entries


def find(name: str) -> Model | None:
    """Find a model by its name, or by the name that another library gives its weights.

    Args:
        name: The name in any case, such as ``wide-resnet50_3rdparty_8xb32_in1k`` or
            ``timm/wide_resnet50_2.tv_in1k``. The library ``timm/`` may be omitted.

    Returns:
        The entry of the model. None if there is none.
    """
    name = name.lower()
    if entry := models().get(name):
        return entry
    return next((entry for entry in models().values() if name in _spellings(entry)), None)


def reject_ambiguous(name: str) -> None:
    """Refuse the name of a network that has several sets of weights in another library.

    Args:
        name: The name of a network in torchvision or timm without the name of its weights, such as
            ``wide_resnet50_2``, ``timm/wide_resnet50_2`` or ``Wide_ResNet50_2_Weights.DEFAULT``.
            Any other name is accepted.

    Raises:
        WrnError: If the name is ambiguous. The message lists the names here.
    """
    network = name.lower().removesuffix('.default')
    meanings = []
    for entry in models().values():
        networks = {spelling.partition('.')[0] for spelling in _spellings(entry)}
        if network in networks | {name.removesuffix('_weights') for name in networks}:
            meanings.append(f'{entry.name} ({", ".join(aliases(entry))})')
    if meanings:
        raise WrnError(
            f'{name}: means several sets of weights; give one of these names: {"; ".join(meanings)}'
        )


def _spellings(entry: Model) -> set[str]:
    """Return the lower-case aliases of a model, with and without the name of the library."""
    names = [alias.lower() for alias in aliases(entry)]
    return {*names, *(name.partition('/')[2] for name in names)}


def find_config(name: str) -> Path | None:
    """Find a config that this package ships.

    Args:
        name: The path ``configs/wrn/NAME.py``, or ``NAME``.

    Returns:
        The absolute path of the config. None if there is none.
    """
    paths = (root() / name, root() / 'configs' / 'wrn' / f'{name}.py')
    return next((path for path in paths if path.is_file()), None)


def shorten_config(path: str) -> str:
    """Return the path of a config of this package as :func:`find_config` takes it on any system.

    Args:
        path: The path of the config. That of another package's is returned as it is.
    """
    shipped = Path(path).is_relative_to(root())
    return Path(path).relative_to(root()).as_posix() if shipped else path


def find_by_file(file: str) -> Model | None:
    """Find the model that a published file of weights belongs to.

    Args:
        file: The path or URL of the file. Only the file name is compared.

    Returns:
        The first entry with a URL that ends in this file name. None if there is none.
    """
    name = Path(file).name
    for entry in models().values():
        if name in [Path(url).name for url in urls(entry) if url.startswith('https://')]:
            return entry
    return None


def sha256_of(file: str) -> str | None:
    """Return the SHA-256 of a file of weights in the index.

    Args:
        file: The path or name of the file. Only the file name is compared.

    Returns:
        All digits, from ``SHA256`` in the index. None if they are unknown.
    """
    name = Path(file).name
    for entry in models().values():
        if name and name == entry.data['File']:
            return entry.data.get('SHA256')
    return None


def urls(entry: Model) -> list[str]:
    """Return the URLs of a model's weights in the order to try them."""
    return entry.data.get('Sources', [])


def aliases(entry: Model) -> list[str]:
    """Return the names of a model's weights in other libraries, as ``LIBRARY/NAME``."""
    return entry.data.get('Also Published As', [])


def weights_provenance(entry: Model) -> str:
    """Return the provenance of a model's weights: published, trained here, or config only."""
    if urls(entry):
        return 'published'
    return 'trained here' if entry.weights else 'config only'


def paper_results(entry: Model) -> list[str]:
    """Return the errors in % that the paper reports for a network, each with its protocol."""
    results = []
    for result in entry.data.get('In The Paper', []):
        errors = [f'{result[key]:.2f}' for key in ('Top 1 Error', 'Top 5 Error') if key in result]
        protocol = [result[key] for key in ('Preprocessing', 'Runs') if key in result]
        results.append(f'{" / ".join(errors)} ({", ".join(protocol)})')
    return results
