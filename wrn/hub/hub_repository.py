"""Push a file of weights and its card to a repository of the Hugging Face hub."""

import logging
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, ModelCard, constants
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from wrn.hub.hub_errors import hub_errors
from wrn.hub.hub_token import shorten
from wrn_base.errors import WrnError, one_line, some
from wrn_base.version import __version__

WEIGHTS, CARD = 'model.safetensors', 'README.md'
_NAME = re.compile(r'[^/\s]+/[^/\s]+')
_TIMEOUT = 10.0  # seconds
_logger = logging.getLogger('wrn')


@dataclass(frozen=True)
class Repository:
    """A repository on the hub.

    Attributes:
        name: Its name, ``USER/REPO``.
        token: The token that may write to it.
        commit: Its newest commit, on which the files were checked.
        is_private: Whether only its owner sees it.
    """

    name: str
    token: str = field(repr=False)
    commit: str | None
    is_private: bool

    @property
    def url(self) -> str:
        """The address of its page."""
        return f'{constants.ENDPOINT}/{self.name}'


def check_name(name: str) -> None:
    """Check the name of a repository before anything is done.

    Args:
        name: The name.

    Raises:
        WrnError: If it is not of the form ``USER/REPO``, or has characters that the hub refuses.
    """
    if not _NAME.fullmatch(name):
        raise WrnError(f'--push-to-hub {name!r}: not of the form USER/REPO; give both names')
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise WrnError(
            f'--push-to-hub: {one_line(error).rstrip(".")}; choose another name'
        ) from None


def check_card(card: ModelCard, name: str, token: str) -> None:
    """Let the hub check the metadata of a card, before a repository is created.

    Args:
        card: The card.
        name: The name of the repository.
        token: The token, for messages that must not show it.

    Raises:
        WrnError: If the hub refuses the metadata, or cannot be reached.
    """
    with hub_errors(name, token):
        try:
            card.validate()
        except ValueError as error:
            raise WrnError(
                f'{name}: not pushed: the hub refuses the metadata of the card '
                f'({shorten(str(error), token)}); give another --license or --dataset'
            ) from None


def open_repository(name: str, token: str, private: bool, overwrite: bool) -> Repository:
    """Find a repository, or create it.

    Args:
        name: The name.
        token: The token.
        private: Whether only its owner may see it. If not, a new one is as the hub makes it, which
            is public unless an organization has set otherwise.
        overwrite: Whether to replace weights and a card that are there.

    Raises:
        WrnError: If it has files that would be replaced, is public though it should be private, or
            the hub refuses.
    """
    api = HfApi(token=token)
    with hub_errors(name, token):
        try:
            info = api.model_info(name, timeout=_TIMEOUT)
        except RepositoryNotFoundError:
            create = partial(api.create_repo, private=True) if private else api.create_repo
            create(name)  # without the argument, it is as an organization has set it
            _logger.info('%s: created on the hub', name)
            info = api.model_info(name, timeout=_TIMEOUT)
    if private and not info.private:
        raise WrnError(
            f'{name}: is public on the hub; make it private in its settings, or leave out --private'
        )
    there = {sibling.rfilename for sibling in info.siblings or ()} & {WEIGHTS, CARD}
    if there and not overwrite:
        raise WrnError(
            f'{name}: has {some(there)} on the hub; add --overwrite to replace '
            f'{"them" if len(there) > 1 else "it"}, or choose another repository'
        )
    return Repository(name, token, info.sha, bool(info.private))


def push(repository: Repository, weights: Path, digest: str, card: ModelCard) -> None:
    """Push a file of weights and its card as one commit.

    Args:
        repository: The repository.
        weights: The file.
        digest: The SHA-256 that the card states for it.
        card: The card.

    Raises:
        WrnError: If the file or the repository has changed meanwhile, or the hub refuses.
    """
    api = HfApi(token=repository.token)
    with hub_errors(repository.name, repository.token):
        file = CommitOperationAdd(WEIGHTS, weights)
        text = CommitOperationAdd(CARD, str(card).encode())
        api.preupload_lfs_files(repository.name, [file])
        if file.upload_info.sha256.hex() != digest:
            raise WrnError(f'{weights}: was changed meanwhile; run the same command again')
        api.create_commit(
            repository.name,
            [file, text],
            commit_message=f'Upload weights and card by wrn {__version__}',
            parent_commit=repository.commit,  # another commit since would be overwritten unseen
        )
