"""docs/clients.md with anomalib: features are those of timm, and the methods run."""

import hashlib

import pytest
import timm
import torch
import torchvision
from documents import python_blocks
from torchvision.utils import save_image

from wrn_base import model_index

Folder = pytest.importorskip('anomalib.data').Folder
Engine = pytest.importorskip('anomalib.engine').Engine
pytestmark = [
    pytest.mark.slow,
    pytest.mark.ci,
    pytest.mark.filterwarnings('default'),  # of anomalib and of what it uses
]
NAME = 'wide-resnet50_3rdparty_8xb32_in1k'
LAYERS = ('layer1', 'layer2', 'layer3')


@pytest.fixture
def published(monkeypatch, tmp_path, randomize):
    """A network with random weights, which are in the cache as the published ones. No network."""
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    monkeypatch.setenv('WRN_OFFLINE', '1')
    reference = randomize(torchvision.models.wide_resnet50_2())
    folder = tmp_path / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    torch.save(reference.state_dict(), folder / 'new.pth')
    digest = hashlib.sha256((folder / 'new.pth').read_bytes()).hexdigest()[:8]
    path = (folder / 'new.pth').rename(folder / f'wide_resnet50_2-{digest}.pth')
    url = f'https://download.pytorch.org/models/{path.name}'
    monkeypatch.setitem(model_index.models()[NAME].data, 'Sources', [url])
    return reference


@pytest.fixture
def models(published, checkout):
    """The values that the example in the document makes."""
    (code,) = [
        code for code in python_blocks(checkout / 'docs/clients.md') if 'import Padim' in code
    ]
    values = {}
    exec(code, values)
    return values


@torch.no_grad()
def test_features_are_those_of_timm(models, published):
    theirs = timm.create_model('wide_resnet50_2', features_only=True, out_indices=(1, 2, 3)).eval()
    weights = published.state_dict()
    theirs.load_state_dict({key: weights[key] for key in theirs.state_dict()})
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    expected = dict(zip(LAYERS, theirs(images), strict=True))
    assert min(maps.std() for maps in expected.values()) > 0.1
    for extractor, layers in (
        (models['patchcore'].model.feature_extractor, LAYERS[1:]),
        (models['padim'].model.feature_extractor, LAYERS),
        (models['distillation'].encoder, LAYERS),
    ):
        found = extractor.eval()(images)
        assert tuple(found) == layers
        for layer in layers:
            assert torch.equal(found[layer], expected[layer])


def draw(bad=False):
    """Return stripes with noise, and a white square if they are bad."""
    generator = torch.Generator().manual_seed(int(bad))
    images = torch.sin(torch.arange(64.0) / 3).expand(4, 3, 64, 64) / 4
    images = images + torch.randn(images.shape, generator=generator) / 50
    if bad:
        images[..., 20:44, 20:44] = 2
    return images


@pytest.mark.parametrize('method', ['patchcore', 'padim'])
def test_defects_are_found(models, method):
    model = models[method].model
    model.train()
    model(draw())
    if method == 'patchcore':
        model.subsample_embedding(0.5)
    else:
        model.fit()
    model.eval()
    with torch.no_grad():
        good, bad = model(draw()), model(draw(bad=True))
    assert bad.pred_score.min() > good.pred_score.max()
    maps = bad.anomaly_map.squeeze(1)
    assert maps[:, 24:40, 24:40].mean() > maps[:, :12, :12].mean()


def test_the_engine_trains_and_tests(models, tmp_path):
    for name, images in (('good', draw()), ('new', draw()), ('bad', draw(bad=True))):
        (tmp_path / name).mkdir()
        for number, image in enumerate(images):
            save_image(image, tmp_path / name / f'{number}.png')
    folders = dict(normal_dir='good', normal_test_dir='new', abnormal_dir='bad')
    data = Folder('drawn', root=tmp_path, **folders, train_batch_size=4, num_workers=0)
    model = models['padim']
    model.pre_processor = model.configure_pre_processor((64, 64))
    engine = Engine(accelerator='cpu', logger=False, default_root_dir=tmp_path / 'run')
    engine.fit(model, datamodule=data)
    (metrics,) = engine.test(model, datamodule=data)
    assert metrics['image_AUROC'] == 1


def test_reverse_distillation_learns(models):
    model, images = models['distillation'], draw()
    model.train()
    parameters = [*model.bottleneck.parameters(), *model.decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    losses = []
    for _ in range(4):
        pairs = zip(*model(images), strict=True)
        similar = torch.nn.functional.cosine_similarity
        loss = sum(1 - similar(a.flatten(1), b.flatten(1)).mean() for a, b in pairs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is None for p in model.encoder.parameters())
    with torch.no_grad():
        assert model.eval()(images).anomaly_map.shape[0] == len(images)
