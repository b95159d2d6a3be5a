"""Publish weights: ``wrn.publish``, and the command ``wrn publish``."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from wrn.checkpoints import ReadOptions
from wrn.checkpoints import publish as checkpoints
from wrn.checkpoints.tensor_hash import hash_tensors
from wrn.hub.card_figures import REPORT, Figures, read_figures
from wrn.hub.hub_card import make_card
from wrn.hub.hub_repository import check_card, check_name, open_repository, push
from wrn.hub.hub_token import find_token
from wrn.utils.files import hash_file
from wrn.zoo.model_card import describe_resolved
from wrn.zoo.resolve import resolve
from wrn_base.card import fact_values
from wrn_base.errors import WrnError

_OPTION = '--push-to-hub'


@dataclass
class Published(checkpoints.Published):
    """A file of weights that was written, and pushed if a repository was given.

    Attributes:
        url: The page of the repository on the hub. None if it was not pushed.
        is_private: Whether only its owner sees the repository.
        unknown: What its card does not state, each with the cure.
    """

    url: str | None = None
    is_private: bool = False
    unknown: list[str] = field(default_factory=list)


def publish(
    checkpoint: str,
    name: str,
    *,
    folder: str | Path = '.',
    source: str | None = None,
    license: str | None = None,
    overwrite: bool = False,
    key: str | None = None,
    prefix: str | None = None,
    push_to_hub: str | None = None,
    private: bool = False,
    report: str | Path | None = None,
    dataset: str | None = None,
) -> Published:
    """Strip a checkpoint to what others need, and push it to the Hugging Face hub if asked to.

    Args:
        checkpoint: The path of a checkpoint.
        name: The name of the file to write, to which the hash is appended.
        folder: The folder to write to. Defaults to the current one.
        source: The provenance of the weights. Defaults to None: what is known.
        license: Their license, an SPDX identifier. Defaults to None: what is known.
        overwrite: Whether to replace a file that exists, here or on the hub. Defaults to False.
        key: The key of the weights in a file with several sets. Defaults to None: the usual one.
        prefix: The beginning of the keys of the network. Defaults to None: that with known keys.
        push_to_hub: The repository, ``USER/REPO``, which is created if it does not exist. Defaults
            to None: nothing is sent.
        private: Whether only the owner may see the repository. Defaults to False.
        report: The folder of a report on these weights, for the figures on the card. Defaults to
            None: the card has none.
        dataset: The name of the data, for the card, which needs it with figures. Defaults to None.

    Returns:
        The file that was written, and the repository.

    Raises:
        WrnError: If the checkpoint cannot be read, a file is there already, an option is wrong, or
            the hub refuses or cannot be reached.
    """
    read = ReadOptions(key, prefix)
    described = (source, license)
    if push_to_hub is None:
        _reject_without_hub(private, report, dataset)
        done = checkpoints.publish(checkpoint, name, folder, read, *described, overwrite)
        return Published(**vars(done))
    check_name(push_to_hub)
    if name.endswith('.pth'):
        raise WrnError(f'{name}: the hub gets safetensors; leave out .pth')
    if report is not None and dataset is None:
        raise WrnError(
            f'--report {report}: the card states figures with the name of their data; add '
            '--dataset NAME'
        )
    if dataset is not None and not dataset.strip():
        raise WrnError('--dataset: is blank; give the name of the data, or leave it out')
    token = find_token(_OPTION)
    figures = None if report is None else read_figures(report)
    # A file of this name has the same hash, so a push that failed can be repeated.
    done = checkpoints.publish(checkpoint, name, folder, read, *described, overwrite=True)
    try:
        resolved = resolve(done.path)
        facts = fact_values(describe_resolved(resolved))
        if 'cfg' not in (done.meta or {}):
            raise WrnError(
                f'{checkpoint}: contains no config of its network, which users need; `wrn convert` '
                'writes a file with one'
            )
        if problem := facts.get('problem'):
            raise WrnError(f'{problem}; the hub gets only files that work without another one')
        if figures is not None:
            tested = _hash_weights(done.weights.state_dict)
            figures.check_weights([*tested, facts['sha256'], hash_file(checkpoint)])
        card = make_card(push_to_hub, facts, resolved.get_config(), figures, dataset)
        check_card(card, push_to_hub, token)
        repository = open_repository(push_to_hub, token, private, overwrite)
        push(repository, done.path, facts['sha256'], card)
    except WrnError as error:
        raise WrnError(f'{error}; the file {done.path} is written') from error
    return Published(
        **vars(done),
        url=repository.url,
        is_private=repository.is_private,
        unknown=list(_list_unknown(facts, figures, dataset, checkpoint)),
    )


def _reject_without_hub(private: bool, report: object, dataset: object) -> None:
    given = {'--private': private, '--report': report, '--dataset': dataset}
    if options := [option for option, value in given.items() if value]:
        raise WrnError(f'{options[0]}: is for the hub; add {_OPTION} USER/REPO, or leave it out')


def _hash_weights(state_dict: dict[str, Tensor]) -> Iterator[str]:
    """Yield the hashes that a report may state: those of the weights, and in float32.

    A network computes in float32 even if its file is in half precision.
    """
    single = {k: v.float() if v.is_floating_point() else v for k, v in state_dict.items()}
    for weights in (state_dict, single):
        if digest := hash_tensors({k: v.contiguous() for k, v in weights.items()}):
            yield digest


def _list_unknown(
    facts: dict[str, object], figures: Figures | None, dataset: str | None, checkpoint: str
) -> Iterator[str]:
    if not facts.get('license'):
        yield 'the license; give it with --license'
    if not facts.get('provenance'):
        yield 'the provenance of the weights; give it with --source'
    if not dataset:
        yield 'the data; give its name with --dataset'
    if not facts.get('classes'):
        yield 'the names of the classes, which the checkpoint does not have'
    if figures is None:
        folder = Path(checkpoint).parent / 'report'
        known = shlex.quote(str(folder)) if (folder / REPORT).is_file() else 'FOLDER'
        yield f'figures; give those of a test with --report {known} and --dataset NAME'
