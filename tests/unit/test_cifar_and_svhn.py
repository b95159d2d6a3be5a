"""CIFAR and SVHN, downloaded from a real server on the loopback interface."""

import hashlib
import io
import pickle
import re
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import scipy.io
import torchvision
from mmengine.config import ConfigDict
from mmpretrain.datasets import CIFAR10, CIFAR100
from mmpretrain.registry import DATASETS

from wrn.data import SVHN, fetch_cifar
from wrn_base.errors import WrnError


class Handler(BaseHTTPRequestHandler):
    """Serve files, and ranges of them."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        content = self.server.files[self.path.lstrip('/')]
        requested = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(requested[1]) if requested else 0
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        if start:
            self.send_header('Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
        self.send_header('Content-Length', str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])


@pytest.fixture
def server(serving):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.files, server.starts = {}, []
    server.url = lambda name: f'http://127.0.0.1:{server.server_port}/{name}'
    with serving(server):
        yield server


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ('WRN_OFFLINE', 'HF_HUB_OFFLINE', 'WRN_URL_MAPPING'):
        monkeypatch.delenv(name, raising=False)


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture(params=[CIFAR10, CIFAR100])
def cifar(request, server, monkeypatch, rng):
    """A small archive in the format of the real one; the class of the dataset and its batches."""
    kind, archive = request.param, io.BytesIO()
    label_key = 'labels' if kind is CIFAR10 else 'fine_labels'
    batches = {}
    with tarfile.open(fileobj=archive, mode='w:gz') as tar:
        for attribute in ('train_list', 'test_list'):
            listed = []
            for name, _ in getattr(kind, attribute):
                images = rng.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
                labels = rng.integers(0, 10, 4).tolist()
                batches.setdefault(attribute.partition('_')[0], []).append((images, labels))
                content = pickle.dumps({'data': images.reshape(4, -1), label_key: labels})
                info = tarfile.TarInfo(f'{kind.base_folder}/{name}')
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                listed.append([name, md5(content)])
            monkeypatch.setattr(kind, attribute, listed)
    server.files[kind.filename] = archive.getvalue()
    monkeypatch.setattr(kind, 'url', server.url(kind.filename))
    monkeypatch.setattr(kind, 'tgz_md5', md5(archive.getvalue()))
    return kind, batches


def config(kind, root, **kwargs):
    return ConfigDict(type=kind.__name__, data_root=str(root), pipeline=[], **kwargs)


def test_cifar_is_downloaded_verified_and_read(cifar, server, tmp_path):
    kind, batches_of = cifar
    fetch_cifar(ConfigDict(type='RepeatDataset', times=2, dataset=config(kind, tmp_path)))
    assert server.starts == [0]
    for split, batches in batches_of.items():
        dataset = DATASETS.build(config(kind, tmp_path, split=split))
        images = np.concatenate([images for images, _ in batches]).transpose(0, 2, 3, 1)
        assert np.array_equal([d['img'] for d in dataset.load_data_list()], images)
        assert (
            dataset.get_gt_labels().tolist()
            == np.concatenate([labels for _, labels in batches]).tolist()
        )
    fetch_cifar(config(kind, tmp_path))
    assert server.starts == [0]  # not again


def test_an_interrupted_download_is_resumed(cifar, server, tmp_path):
    kind, _ = cifar
    (tmp_path / f'{kind.filename}.partial').write_bytes(server.files[kind.filename][:500])
    dataset = config(kind, tmp_path.parent, data_prefix=tmp_path.name)
    fetch_cifar(ConfigDict(type='ConcatDataset', datasets=[dataset]))
    assert server.starts == [500]
    assert md5((tmp_path / kind.filename).read_bytes()) == kind.tgz_md5


def test_an_archive_with_another_hash_is_refused(cifar, server, tmp_path):
    kind, _ = cifar
    server.files[kind.filename] += b'x'
    with pytest.raises(WrnError, match=r'wrong MD5 \(begins with \w+, expected'):
        fetch_cifar(config(kind, tmp_path))
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith('.')] == []
    (tmp_path / kind.filename).write_bytes(b'x')
    with pytest.raises(WrnError, match=rf'{kind.filename}: wrong MD5 .* delete it'):
        fetch_cifar(config(kind, tmp_path))


def test_cifar_offline(cifar, monkeypatch, tmp_path, dead_host):
    kind, _ = cifar
    monkeypatch.setattr(kind, 'url', f'{dead_host}/{kind.filename}')
    with pytest.raises(WrnError, match=r'cannot be downloaded .*refused.* and put it into'):
        fetch_cifar(config(kind, tmp_path))
    monkeypatch.setenv('WRN_OFFLINE', '1')
    with pytest.raises(WrnError, match=r'WRN_OFFLINE or .* disables .* and put it into'):
        fetch_cifar(config(kind, tmp_path))
    fetch_cifar(config(kind, tmp_path, download=False))  # mmpretrain says what is missing


def test_a_mirror_of_cifar(cifar, server, monkeypatch, tmp_path):
    kind, _ = cifar
    monkeypatch.setattr(kind, 'url', f'https://example.org/{kind.filename}')
    monkeypatch.setenv('WRN_URL_MAPPING', f'https://example.org/ {server.url("")}')
    fetch_cifar(config(kind, tmp_path))
    assert server.starts == [0]


def test_wrn_train_downloads_cifar_first(cifar, dead_host, fails, monkeypatch, tmp_path):
    kind, _ = cifar
    monkeypatch.setattr(kind, 'url', f'{dead_host}/{kind.filename}')
    name = f'wide-resnet16-8_8xb16_{kind.__name__.lower()}'
    options = (f'train_dataloader.dataset.data_root={tmp_path}', f'work_dir={tmp_path}')
    message = fails('train', name, '--cfg-options', *options)
    assert message.startswith(f'wrn: error: {tmp_path}/{kind.filename}: not found, and http')


@pytest.fixture
def svhn(server, monkeypatch, rng):
    """Small files in the format of the real ones; their images and labels by split."""
    contents, listed = {}, {}
    for split, (_, name, _) in torchvision.datasets.SVHN.split_list.items():
        images = rng.integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
        labels = rng.permutation(np.arange(1, 11))[:5].astype(np.uint8)
        file = io.BytesIO()
        scipy.io.savemat(file, dict(X=images, y=labels[:, None]))
        server.files[name] = file.getvalue()
        listed[split] = [server.url(name), name, md5(file.getvalue())]
        contents[split] = (images, labels)
    monkeypatch.setattr(torchvision.datasets.SVHN, 'split_list', listed)
    return contents


def test_svhn_is_downloaded_and_read_as_torchvision_does(svhn, server, tmp_path):
    for split in svhn:
        ours = DATASETS.build(dict(type='SVHN', data_root=str(tmp_path), split=split))
        theirs = torchvision.datasets.SVHN(str(tmp_path), split)
        for sample, (image, label) in zip(ours.load_data_list(), theirs, strict=True):
            assert np.array_equal(sample['img'], image)
            assert sample['gt_label'] == label
    assert server.starts == [0] * 3
    both = SVHN(str(tmp_path), split=('train', 'extra'))
    assert len(both) == 10
    assert np.array_equal(both[9]['img'], svhn['extra'][0][..., 4])
    assert both.metainfo['classes'] == tuple('0123456789')


def test_svhn_offline(svhn, monkeypatch, tmp_path):
    monkeypatch.setenv('WRN_OFFLINE', '1')
    with pytest.raises(WrnError, match=r'test_32x32.mat: not found, and WRN_OFFLINE'):
        SVHN(str(tmp_path), split='test')


def test_a_damaged_file_of_svhn(svhn, tmp_path):
    (tmp_path / 'train_32x32.mat').write_bytes(b'damaged')
    with pytest.raises(WrnError, match=r'train_32x32.mat: wrong MD5 \(expected'):
        SVHN(str(tmp_path))


@pytest.mark.parametrize('split', ['val', ('train', 'val'), ()])
def test_an_unknown_split_of_svhn(split, tmp_path):
    with pytest.raises(WrnError, match='split must be one or more of train, test, extra'):
        SVHN(str(tmp_path), split=split)


def test_svhn_without_scipy(monkeypatch, tmp_path):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(WrnError, match='scipy is not installed; pip install scipy'):
        SVHN(str(tmp_path))
