"""Weights from ``hf://`` addresses, served by a local hub."""

import hashlib
from pathlib import Path

import pytest
import torch
from hub_server import CONTENT, CORRUPT, DEFAULT, DIGITS, OLDER, REPOSITORY, cached_contents, get
from huggingface_hub import constants

import wrn
from wrn.download import fetch, hugging_face
from wrn_base.errors import CheckpointError, DownloadError

NEW = "from wrn.download import hugging_face; print(hugging_face.download('hf://user/repo'))"


def test_in_a_new_process(hub, run, monkeypatch, tmp_path):
    """Where nothing else has imported the submodules of huggingface_hub, which loads them lazily."""
    hub.commit({DEFAULT: CONTENT})
    monkeypatch.setenv('HF_ENDPOINT', hub.endpoint)
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'home'))
    printed = run('python', '-W', 'ignore', '-c', NEW).stdout
    assert Path(printed.strip()).read_bytes() == CONTENT


def test_a_token_goes_to_no_mirror_without_encryption(hub, monkeypatch, caplog):
    hub.commit({DEFAULT: CONTENT})
    hub.private.add('user/repo')
    hidden = r'there is no such repository, or it is private: check the name, or log in with `hf '
    with pytest.raises(CheckpointError, match=hidden):
        get()
    monkeypatch.setenv('HF_TOKEN', 'hf_a1B2c3D4')
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_IMPLICIT_TOKEN', False)
    monkeypatch.setattr('wrn.download.trust._is_loopback', lambda host: False)
    with pytest.raises(CheckpointError, match=hidden):
        get()
    assert '127.0.0.1: gets no token without https://' in caplog.text
    monkeypatch.setenv('WRN_INSECURE', '1')
    assert get() == CONTENT


# The file of an address.


def test_the_default_file(hub, tmp_path):
    hub.commit({'README.md': b'#', 'a.safetensors': OLDER, DEFAULT: CONTENT, 'b.bin': OLDER})
    path = fetch([REPOSITORY], 'weights')
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / 'cache')
    assert path.name == DEFAULT


@pytest.mark.parametrize(
    'files',
    [
        {'README.md': b'#', 'w.safetensors': CONTENT, 'w.pth': OLDER},
        {'config.json': b'{}', 'pytorch_model.bin': CONTENT},
        {'logs/w.pth': CONTENT, 'logs/w.bin': OLDER},
    ],
)
def test_the_only_file_with_a_suffix(hub, files):
    hub.commit(files)
    assert get() == CONTENT


def test_several_files(hub, tmp_path):
    hub.commit({'b.safetensors': CONTENT, 'a.safetensors': CONTENT, 'c.pth': CONTENT})
    with pytest.raises(CheckpointError) as error:
        get()
    assert str(error.value) == (
        f'weights: cannot be downloaded ({REPOSITORY}: the repository has several files of weights '
        '(a.safetensors, b.safetensors); append one of them to the address); give the path of a file, or copy the cache of another machine to HF_HOME'
    )
    assert cached_contents(tmp_path) == set()


def test_no_weights(hub):
    hub.commit({'README.md': b'#'})
    with pytest.raises(CheckpointError, match=f'{REPOSITORY}: the repository has no weights'):
        get()


@pytest.mark.parametrize('name', ['b.safetensors', 'a folder/b.pth', 'none.at-all'])
def test_a_named_file(hub, name):
    hub.commit({DEFAULT: OLDER, name: CONTENT})
    assert get(f'{REPOSITORY}/{name}') == CONTENT
    assert not [request for request in hub.requests if '/api/' in request]


def test_a_revision(hub):
    hub.commit({DEFAULT: CORRUPT})
    commit = hub.commit({DEFAULT: OLDER, 'b.pth': OLDER}, revision='v1')
    hub.commit({DEFAULT: CONTENT}, revision='pr/1')
    assert get(f'{REPOSITORY}@v1') == OLDER
    assert get(f'{REPOSITORY}/b.pth@v1') == OLDER
    assert get(f'{REPOSITORY}@{commit}') == OLDER
    assert get(f'{REPOSITORY}/{DEFAULT}@pr/1') == CONTENT


@pytest.mark.parametrize(
    ('address', 'reason'),
    [
        ('hf://user/none', 'there is no such repository, or it is private'),
        (f'hf://user/none/{DEFAULT}', 'there is no such repository, or it is private'),
        (f'{REPOSITORY}/none.pth', 'Entry Not Found'),
        (f'{REPOSITORY}@none', 'Revision Not Found'),
        (f'{REPOSITORY}/{DEFAULT}@none', 'Revision Not Found'),
    ],
)
def test_missing_on_the_hub(hub, pauses, address, reason):
    hub.commit({DEFAULT: CONTENT})
    with pytest.raises(CheckpointError) as error:
        get(address)
    assert f'{address}: ' in str(error.value)
    assert reason in str(error.value)
    assert '\n' not in str(error.value)
    assert len(hub.requests) == 1
    assert pauses == []


INVALID = ['hf://', 'hf://user', 'hf://user/', 'hf://user@v1/repo']


@pytest.mark.parametrize('address', INVALID)
def test_an_invalid_address(hub, address):
    with pytest.raises(CheckpointError, match=rf'{address}: not of the form hf://USER/R'):
        get(address)
    assert hub.requests == []


@pytest.mark.parametrize('address', INVALID[1:])
def test_an_invalid_address_offline(monkeypatch, address):
    monkeypatch.setenv('WRN_OFFLINE', '1')
    with pytest.raises(CheckpointError, match=address):
        get(address)


def test_an_invalid_address_beside_a_valid_one(hub):
    hub.commit({DEFAULT: CONTENT})
    assert fetch(['hf://user', REPOSITORY], 'weights').read_bytes() == CONTENT


def test_parse():
    parse = hugging_face.parse
    assert parse('hf://timm/wide_resnet50_2.tv_in1k') == (
        'timm/wide_resnet50_2.tv_in1k',
        None,
        None,
    )
    assert parse('hf://a/b/c/d.pth@refs/pr/1') == ('a/b', 'c/d.pth', 'refs/pr/1')
    assert parse('hf://a/b@v1') == ('a/b', None, 'v1')
    with pytest.raises(DownloadError):
        parse('https://huggingface.co/a/b')


# The content.


def test_corrupt_content_is_not_kept(hub, tmp_path):
    hub.commit({DEFAULT: CONTENT})
    hub.sent = CORRUPT
    digest = hashlib.sha256(CONTENT).hexdigest()
    for _ in range(2):
        with pytest.raises(
            CheckpointError, match=f'{REPOSITORY}: wrong SHA-256 .expected {digest}'
        ):
            get()
        assert cached_contents(tmp_path) == set()
    hub.sent = None
    assert get() == CONTENT


def test_a_changed_file_in_the_cache_is_not_used(hub, tmp_path):
    hub.commit({DEFAULT: CONTENT})
    fetch([REPOSITORY], 'weights').resolve().write_bytes(CORRUPT)
    with pytest.raises(CheckpointError, match=f'{REPOSITORY}: wrong SHA-256'):
        get()
    assert get() == CONTENT


def test_a_small_file_without_sha256(hub):
    hub.commit({DEFAULT: b'small'})
    assert get() == b'small'


def test_a_truncated_body_is_resumed(hub, pauses, monkeypatch):
    monkeypatch.setattr(constants, 'DOWNLOAD_CHUNK_SIZE', 10_000)
    hub.commit({DEFAULT: CONTENT})
    hub.cut = 100_000
    assert get() == CONTENT
    assert hub.ranges == [None, 'bytes=100000-']


def test_a_new_version_is_downloaded(hub):
    hub.commit({DEFAULT: OLDER})
    assert get() == OLDER
    hub.commit({DEFAULT: CONTENT})
    assert get() == CONTENT
    assert get() == CONTENT
    assert hub.ranges == [None, None]


# get_model.


@pytest.mark.parametrize('address', [REPOSITORY, f'{REPOSITORY}/w.safetensors@v1'])
def test_get_model(hub, digits_weights, address):
    content = Path(digits_weights).read_bytes()
    hub.commit({'w.safetensors': content, 'README.md': b'#'})
    hub.commit({'w.safetensors': content}, revision='v1')
    model = wrn.get_model(DIGITS, pretrained=address)
    expected = wrn.get_model(DIGITS, pretrained=True).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_get_model_with_a_missing_repository(hub):
    with pytest.raises(
        CheckpointError, match=r'hf://user/none: .*there is no such repository, or it is private'
    ):
        wrn.get_model(DIGITS, pretrained='hf://user/none')
