"""`pretrained=True` downloads the weights of a model from any URL in its index entry."""

import contextlib
import copy
import hashlib
import os
import socket
import subprocess
import sys

import mmpretrain
import numpy as np
import pytest
import torch
import torchvision
from conversion import convert_file
from mmengine.runner import CheckpointLoader
from PIL import Image

import wrn
from wrn_base import model_index
from wrn_base.cli import main
from wrn_base.errors import CheckpointError, WrnError

NAME = 'wide-resnet50_3rdparty_8xb32_in1k'
TOLERANCE = dict(rtol=1e-5, atol=1e-5)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    return tmp_path / 'hub' / 'checkpoints'


@pytest.fixture(scope='module')
def inputs():
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def serve(server, state_dict, name):
    """Save weights in the folder of the server, with a hash in the name, and return their URL."""
    path = server.folder / 'new.pth'
    torch.save(state_dict, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    path.rename(server.folder / f'{name}-{digest}.pth')
    return server.url(f'{name}-{digest}.pth')


@pytest.fixture
def reference(randomize):
    """A network with weights in half precision, as torchvision publishes them."""
    torch.manual_seed(0)  # of the bias of its head
    return randomize(torchvision.models.wide_resnet50_2()).half()


@pytest.fixture
def origin(server, reference):
    return serve(server, reference.state_dict(), 'wide_resnet50_2')


@pytest.fixture
def mirror(server, reference):
    """The same weights in OpenMMLab's format."""
    ours = {
        ('head.' if key.startswith('fc.') else 'backbone.') + key: value
        for key, value in reference.state_dict().items()
    }
    return serve(server, dict(meta={}, state_dict=ours), f'{NAME}_20220304')


@pytest.fixture
def dead(dead_host):
    return f'{dead_host}/wide_resnet50_2-12345678.pth'


@pytest.fixture
def set_urls(monkeypatch):
    def set_urls(*urls):
        monkeypatch.setitem(model_index.models()[NAME].data, 'Sources', list(urls))

    return set_urls


@torch.no_grad()
def test_from_the_origin(set_urls, origin, mirror, server, reference, inputs):
    set_urls(origin, mirror)
    expected = reference.float()(inputs)
    for name in (NAME, 'timm/wide_resnet50_2.tv_in1k'):
        model = wrn.get_model(name, pretrained=True)
        torch.testing.assert_close(model(inputs), expected, **TOLERANCE)
        assert len(model._dataset_meta['classes']) == 1000
    assert [path for path, _ in server.requests] == ['/' + origin.rpartition('/')[2]]


@torch.no_grad()
def test_from_the_next_url(set_urls, dead, mirror, reference, inputs, caplog):
    set_urls(dead, mirror)
    model = wrn.get_model(NAME, pretrained=True)
    torch.testing.assert_close(model(inputs), reference.float()(inputs), **TOLERANCE)
    assert f'{dead}: cannot be reached' in caplog.text


def test_a_file_in_torchvisions_cache_is_used(set_urls, cache, dead, origin, server, monkeypatch):
    """No request is sent, which offline mode would forbid."""
    name = origin.rpartition('/')[2]
    torch.hub.load_state_dict_from_url(origin, progress=False)
    assert (cache / name).is_file()
    server.requests.clear()
    set_urls(dead, origin)
    monkeypatch.setenv('WRN_OFFLINE', '1')
    wrn.get_model(NAME, pretrained=True)
    assert server.requests == []


def test_all_urls_fail(set_urls, dead, server, cache):
    missing = server.url('wide_resnet50_2-87654321.pth')
    set_urls(dead, missing)
    with pytest.raises(CheckpointError) as error:
        wrn.get_model(NAME, pretrained=True)
    message = str(error.value)
    assert message.startswith(f'{NAME}: cannot be downloaded (')
    assert dead in message
    assert f'{missing}: the server answered 404' in message
    assert f'put wide_resnet50_2-12345678.pth into {cache}' in message


@torch.no_grad()
def test_functions_of_mmpretrain(set_urls, origin, reference, inputs):
    set_urls(origin)
    model = mmpretrain.get_model(NAME, pretrained=True).eval()
    torch.testing.assert_close(model(inputs), reference.float()(inputs), **TOLERANCE)
    checkpoint = CheckpointLoader.load_checkpoint(f'wrn://{NAME}', logger='silent')
    assert 'backbone.conv1.weight' in checkpoint['state_dict']


def test_the_url_of_openmmlabs_file_leads_to_the_other_urls(set_urls, origin, mirror):
    """Configs have such URLs in load_from. Their host is gone."""
    gone = mirror.replace(mirror.rpartition('/')[0], 'https://download.openmmlab.invalid/v0')
    set_urls(origin, 'https://mirror.invalid/' + gone.rpartition('/')[2])
    checkpoint = CheckpointLoader.load_checkpoint(gone, logger='silent')
    assert 'backbone.conv1.weight' in checkpoint['state_dict']


def test_a_mirror_of_all_urls(set_urls, origin):
    set_urls(origin.replace('http://', 'https://first.invalid/'), 'https://second.invalid/x')
    model = wrn.get_model(NAME, True, url_mapping=('https://first.invalid/', 'http://'))
    assert not any(p.is_meta for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize('right', [0, 4])
def test_the_accuracy_on_a_part_of_imagenet(set_urls, origin, tmp_path, monkeypatch, capsys, right):
    """Weights with their hash in the name, and yet without the published accuracy, are found."""
    set_urls(origin)
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    for label in range(1000):
        (tmp_path / f'images/val/n{label:08}').mkdir(parents=True)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f'{number}.png')
        scores = wrn.inference_model(NAME, tmp_path / f'{number}.png')['pred_scores']
        found = int(scores.argmax())
        assert scores[found] > 1.005 * np.sort(scores)[-2]  # in a batch, too
        label = found if number < right else (found + 500) % 1000
        (tmp_path / f'{number}.png').rename(tmp_path / f'images/val/n{label:08}/{number}.png')
    with contextlib.nullcontext() if right else pytest.raises(SystemExit) as exit:
        main(['verify', NAME, '--data', 'images', '--workers', '0'])
    if right:
        assert wrn.verify(NAME, data='images', workers=0).agrees
    else:
        message = 'top-1 accuracy is 0.0 % (0 of 4; 95 % interval 0 to 49), not 78.48 %'
        assert message in exit.value.code
    out, messages = capsys.readouterr()
    assert 'are not those of ImageNet' not in messages  # though two of its classes share a name
    assert '(the first 8 digits are those in its name)' in out
    assert 'compared by the 95 % interval, since these are not as many images as' in out


def test_weights_of_another_network(set_urls, server):
    set_urls(serve(server, torchvision.models.resnet18().state_dict(), 'wide_resnet50_2'))
    with pytest.raises(CheckpointError, match='the weights do not fit the model'):
        wrn.get_model(NAME, pretrained=True)


def test_a_published_file_is_recognized_and_verified(set_urls, origin, server, tmp_path):
    name = origin.rpartition('/')[2]
    set_urls(f'https://origin.invalid/{name}')
    done = convert_file(server.folder / name, folder=tmp_path)
    entry = model_index.models()[NAME]
    assert done.entry.name == NAME
    assert done.path.name.startswith(f'{NAME}-')
    assert done.meta['license'] == entry.data['License']
    assert done.meta['source'] == entry.data['Converted From']['Weights']
    assert len(done.meta['dataset_meta']['classes']) == 1000
    (tmp_path / name).write_bytes((server.folder / name).read_bytes() + b'.')
    with pytest.raises(CheckpointError, match='not the published file of this name'):
        convert_file(tmp_path / name, folder=tmp_path)


def test_other_classes_need_a_new_head(randomize, tmp_path):
    reference = randomize(torchvision.models.wide_resnet50_2(num_classes=7))
    torch.save(dict(model=reference.state_dict()), tmp_path / 'w.pth')
    with pytest.warns(UserWarning, match='the head is newly initialized'):
        model = wrn.get_model('wide-resnet50', tmp_path / 'w.pth', head=dict(num_classes=3))
    assert torch.equal(model.backbone.layer4[2].conv3.weight, reference.layer4[2].conv3.weight)
    assert model.head.fc.weight.shape == (3, 2048)


def test_a_network_without_published_weights(photograph):
    model = wrn.get_model('wide-resnet50', head=dict(num_classes=3))
    assert wrn.inference_model(model, photograph)['pred_scores'].shape == (3,)
    with pytest.warns(UserWarning, match='no pretrained weights; the model is random'):
        wrn.get_model('wide-resnet50', pretrained=True)


@pytest.mark.parametrize('name', ['wrn://none', 'wrn://wide-resnet50'])
def test_missing_weights(name):
    with pytest.raises(CheckpointError, match='no weights of this name'):
        CheckpointLoader.load_checkpoint(name, logger='silent')
    with pytest.raises(WrnError, match='no weights of this name'):
        convert_file(name)


JOB = """
import sys
import torch.distributed as dist
dist.init_process_group('gloo')
from wrn_base.errors import WrnError
from wrn.download import fetch
try:
    print(fetch(sys.argv[1:], 'weights'))
except WrnError as error:
    print(error)
"""


def run_job(url, cache):
    """Run a distributed job of two processes and return the last line that each prints."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = copy.copy(dict(os.environ))
    environment |= dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE='2')
    environment |= dict(TORCH_HOME=str(cache.parents[1]))
    processes = [
        subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', JOB, url],
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, 'RANK': rank, 'LOCAL_RANK': rank},
        )
        for rank in '01'
    ]
    return [process.communicate(timeout=120)[0].splitlines()[-1] for process in processes]


def test_one_process_of_a_job_downloads(server, cache):
    url = serve(server, {'a.b': torch.ones(3)}, 'weights')
    assert run_job(url, cache) == [str(cache / url.rpartition('/')[2])] * 2
    assert len(server.requests) == 1


def test_all_processes_of_a_job_fail_if_the_weights_are_missing(server, cache):
    url = server.url('weights-12345678.pth')
    first, second = run_job(url, cache)
    assert first == second
    assert '404' in first
    assert len(server.requests) == 1
