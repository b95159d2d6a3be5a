"""Who vouches for a file whose hash is known by its first digits only."""

import hashlib
import re
from pathlib import Path

import pytest
from http_server import CONTENT, DIGITS, NAME, WRONG_HASH, once, whole
from mmengine.runner import CheckpointLoader

import wrn
from wrn.checkpoints.checkpoint_file import open_checkpoint
from wrn.download import fetch, trust
from wrn.download.trust import check_source
from wrn_base import model_index
from wrn_base.cli import main
from wrn_base.errors import CheckpointError, DownloadError

ORIGIN = 'https://download.pytorch.org/models/wide_resnet50_2-95faca4d.pth'
SECURE = f'https://forge.invalid/{NAME}'
PLAIN = f'http://forge.invalid/{NAME}'
COPY = 'https://forge.invalid/wide_resnet50_2-95faca4d.pth'
EXPIRED = 'https://download.openmmlab.com/mmclassification/resnet50-12345678.pth'
REFUSED = {
    PLAIN: 'plain HTTP can be changed on its way',
    COPY: 'forge.invalid is not a host that the model index lists for this file',
    EXPIRED: 'the domain openmmlab.com has expired',
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.delenv(trust.INSECURE, raising=False)
    trust.say_mirror.cache_clear()


@pytest.mark.parametrize('typed', [False, True])
@pytest.mark.parametrize(
    'url', [ORIGIN, SECURE, f'http://127.0.0.1:1/{NAME}', f'http://[::1]/{NAME}', f'http://localhost/{NAME}']
)  # fmt: skip
def test_trusted(url, typed, caplog):
    check_source(url, url, '12345678', typed)
    assert caplog.records == []


@pytest.mark.parametrize(('known', 'text'), [('1' * 8, 'only 8 digits of'), (None, 'its hash is')])
@pytest.mark.parametrize(('url', 'reason'), REFUSED.items())
def test_refused(url, reason, known, text, monkeypatch):
    with pytest.raises(DownloadError, match=f'^refused, since {reason}.*, and {text}.* --insecure'):
        check_source(url, url, known, typed=False)
    monkeypatch.setenv(trust.INSECURE, '1')
    check_source(url, url, known, typed=False)


@pytest.mark.parametrize('url', [*REFUSED, PLAIN.upper()])
def test_a_whole_hash_needs_no_host(url):
    check_source(url, url, '1' * 64, typed=False)


@pytest.mark.parametrize('url', [PLAIN, COPY])
def test_a_typed_url_is_warned_of(url, caplog):
    check_source(url, url, '12345678', typed=True)
    (record,) = caplog.records
    assert record.getMessage() == (
        f'{url}: not protected against forgery: {REFUSED[url]}, and only 8 digits of its hash are known'
    )


def test_a_typed_url_of_an_expired_domain():
    with pytest.raises(DownloadError, match='has expired'):
        check_source(EXPIRED, EXPIRED, '12345678', typed=True)


def test_a_mirror_is_reported_once(caplog):
    for _ in range(2):
        check_source(ORIGIN, 'http://mirror.invalid/x.pth', '95faca4d', typed=False)
    (record,) = caplog.records
    assert record.getMessage().startswith(
        'mirror.invalid: files come from this mirror, set by WRN_URL'
    )


def test_the_next_url_after_a_refused_one(server, caplog):
    assert fetch([PLAIN, server.url()], 'weights').read_bytes() == CONTENT
    assert f'{PLAIN}: refused, since plain HTTP' in caplog.text


def test_urls_in_configs_are_not_typed():
    for name in (EXPIRED, PLAIN):
        with pytest.raises(CheckpointError, match='refused, since'):
            CheckpointLoader.load_checkpoint(name, logger='silent')


def test_the_option(monkeypatch, capsys, digits_weights):
    """It sets the variable, for the processes that a command starts."""
    monkeypatch.setenv(trust.INSECURE, '0')
    assert not trust.is_insecure()
    main(['info', digits_weights, '--insecure'])
    assert trust.is_insecure()
    assert DIGITS in capsys.readouterr().out


def test_a_refusal_on_the_command_line(fails, photograph):
    message = fails('predict', photograph, '--model', DIGITS, '--checkpoint', EXPIRED)
    reason = 'refused, since the domain openmmlab.com has expired'
    assert f'{EXPIRED}: cannot be downloaded ({reason}' in message


@once
def test_a_typed_url(server, monkeypatch, digits_weights, caplog):
    server.content = Path(digits_weights).read_bytes()
    monkeypatch.setenv('http_proxy', server.url(''))
    url = f'http://weights.invalid/{Path(digits_weights).name}'
    monkeypatch.setattr(model_index, 'sha256_of', lambda file: None)
    wrn.get_model(DIGITS, pretrained=url)
    assert f'{url}: not protected against forgery: plain HTTP' in caplog.text


@once
def test_the_whole_hash_of_the_index_is_compared(server, monkeypatch, tmp_path):
    """Eight digits agree, but not the others."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    for known, right in ((digest, True), (digest[:-1] + 'x', False)):
        monkeypatch.setattr(model_index, 'sha256_of', {NAME: known}.get)
        server.answers = [whole]
        if right:
            fetch([server.url()], 'weights').unlink()
        else:
            with pytest.raises(CheckpointError, match=WRONG_HASH):
                fetch([server.url()], 'weights')
    (tmp_path / NAME).write_bytes(CONTENT)
    with pytest.raises(CheckpointError, match='its SHA-256 differs'):
        open_checkpoint(str(tmp_path / NAME))


def test_the_embedded_file_is_verified(tmp_path, monkeypatch, digits_weights):
    content = Path(digits_weights).read_bytes()
    copy = tmp_path / Path(digits_weights).name
    copy.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=f'^{re.escape(str(copy))}: not the published file'):
        open_checkpoint(str(copy))
    monkeypatch.setattr(model_index.models()[DIGITS], 'weights', str(copy))
    for load in (
        lambda: wrn.get_model(DIGITS, True),
        lambda: CheckpointLoader.load_checkpoint(f'wrn://{DIGITS}', logger='silent'),
    ):
        with pytest.raises(CheckpointError, match='not the published file'):
            load()
