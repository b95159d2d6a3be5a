"""Predictions from every kind of model and input."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

import wrn
from wrn.inference import Predictor, api
from wrn_base import model_index
from wrn_base.errors import ImageReadError, WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture
def demo(checkout):
    return checkout / 'demo'


def test_result(demo):
    result = wrn.inference_model(DIGITS, demo / 'digit_3.png')
    assert result['pred_class'] == '3'
    assert result['pred_label'] == 3
    assert result['pred_score'] == result['pred_scores'].max() > 0.9
    assert result['pred_scores'].shape == (10,)
    assert result['pred_scores'].sum() == pytest.approx(1, abs=1e-5)
    assert result['img_path'] == str(demo / 'digit_3.png')


def test_every_kind_of_input(demo):
    path = demo / 'digit_7.png'
    image = Image.open(path)
    expected = wrn.inference_model(DIGITS, path)['pred_scores']
    for single in (str(path), image, np.asarray(image)):
        result = wrn.inference_model(DIGITS, single)
        np.testing.assert_array_equal(result['pred_scores'], expected)
    for many in ([path], [image, str(path)], demo, f'{demo}/*.png', (demo, path)):
        results = wrn.inference_model(DIGITS, many)
        assert isinstance(results, list)
        np.testing.assert_array_equal(results[-1]['pred_scores'], expected)


def test_every_kind_of_model(demo, digits_weights):
    path = model_index.models()[DIGITS].config
    models = [DIGITS, wrn.get_model(DIGITS, True)]
    for model in models:
        assert wrn.inference_model(model, demo / 'digit_7.png')['pred_class'] == '7'
    for model in (path, Config.fromfile(path)):
        result = wrn.inference_model(model, demo / 'digit_7.png', pretrained=digits_weights)
        assert result['pred_class'] == '7'


def test_a_url(demo, server):
    (server.folder / 'x.png').write_bytes((demo / 'digit_7.png').read_bytes())
    result = wrn.inference_model(DIGITS, server.url('x.png'))
    assert result['pred_class'] == '7'
    assert result['img_path'] == server.url('x.png')
    with pytest.raises(ImageReadError, match=r'none\.png: cannot be downloaded .*404'):
        wrn.inference_model(DIGITS, server.url('none.png'))


def test_a_list_keeps_its_order(demo):
    names = ['digit_7.png', 'digit_3.png', 'digit_7.png']
    results = wrn.inference_model(DIGITS, [demo / name for name in names])
    assert [r['pred_class'] for r in results] == ['7', '3', '7']
    assert [r['img_path'] for r in results] == [str(demo / name) for name in names]


@pytest.mark.parametrize('batch_size', [2, 3, 7, 100])
def test_batches_give_the_same_results_as_single_images(batch_size):
    images = [d['img'] for d in wrn.data.Digits(split='test', indices=7).load_data_list()][:7]
    one, many = (wrn.inference_model(DIGITS, images, batch_size=n) for n in (1, batch_size))
    assert [r['pred_label'] for r in one] == [r['pred_label'] for r in many]
    scores = [np.stack([r['pred_scores'] for r in results]) for results in (one, many)]
    # Convolutions may sum in a different order for each batch size.
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)


def test_a_name_is_built_once(demo, monkeypatch):
    built = []
    api._get_named_model.cache_clear()
    monkeypatch.setattr(api, 'get_model', lambda *a, **k: built.append(a) or wrn.get_model(*a))
    for name in (DIGITS, DIGITS.upper(), DIGITS):
        wrn.inference_model(name, demo / 'digit_3.png')
    assert len(built) == 1


def test_weights_given_by_name_and_path_are_used(demo, tmp_path):
    model = wrn.get_model(DIGITS, True)
    model.head.fc.bias.data[5] += 100
    torch.save(model.state_dict(), tmp_path / 'five.pth')
    for weights in (tmp_path / 'five.pth', str(tmp_path / 'five.pth')):
        result = wrn.inference_model(DIGITS, demo / 'digit_3.png', pretrained=weights)
        assert result['pred_label'] == 5


def test_mmpretrains_own_models(photographs, tmp_path):
    weights = tmp_path / 'w.pth'
    torch.save(wrn.get_model('resnet18_8xb32_in1k').state_dict(), weights)
    results = wrn.inference_model('resnet18_8xb32_in1k', photographs, pretrained=weights)
    assert [r['img_path'] for r in results] == [str(path) for path in photographs]


def test_a_model_of_another_task_goes_to_mmpretrain(demo, monkeypatch):
    model = wrn.get_model(DIGITS, True)
    model._metainfo.results[0].data['Task'] = 'Image Caption'
    monkeypatch.setattr(api.mmpretrain, 'inference_model', lambda *args, **kwargs: args)
    assert wrn.inference_model(model, 'x.jpg') == (model, 'x.jpg')


def test_class_names_can_be_given(demo):
    result = wrn.inference_model(DIGITS, demo / 'digit_3.png', classes=[f'n{i}' for i in range(10)])
    assert result['pred_class'] == 'n3'
    with pytest.raises(WrnError, match='has 1 name, but the model has 10 classes; give'):
        wrn.inference_model(DIGITS, demo / 'digit_3.png', classes=['x'])


def test_a_batch_size_of_0(demo):
    with pytest.raises(WrnError, match='batch_size must be at least 1'):
        wrn.inference_model(DIGITS, demo, batch_size=0)


def test_datasamples_and_drawings(demo, tmp_path):
    path = demo / 'digit_3.png'
    assert wrn.inference_model(DIGITS, path, return_datasamples=True).pred_label.item() == 3
    wrn.inference_model(DIGITS, [path], show_dir=str(tmp_path / 'drawn'))
    with Image.open(tmp_path / 'drawn' / 'digit_3.png') as drawn:
        assert drawn.size == (128, 128)
    red = Image.new('RGB', (64, 64), (255, 0, 0))
    wrn.inference_model(DIGITS, red, show_dir=str(tmp_path / 'drawn'))
    with Image.open(tmp_path / 'drawn' / '0.png') as drawn:
        assert drawn.getpixel((62, 62))[:3] == (255, 0, 0)


def test_a_model_that_does_not_know_its_config(demo):
    model = wrn.get_model(DIGITS)
    del model._config
    with pytest.raises(WrnError, match=r'model\._config'):
        wrn.inference_model(model, demo / 'digit_3.png')


def test_unknown_name(demo):
    with pytest.raises(WrnError, match="did you mean 'wide-resnet16-2_1xb64_digits'"):
        wrn.inference_model('wide-resnet18_digits', demo / 'digit_3.png')


def test_a_damaged_image_raises_but_a_stream_continues(demo, tmp_path):
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'not an image')
    images = [demo / 'digit_3.png', bad, demo / 'digit_7.png']
    with pytest.raises(ImageReadError, match=r'bad\.png'):
        wrn.inference_model(DIGITS, images)
    stream = Predictor(wrn.get_model(DIGITS, True)).stream(images, batch_size=2)
    first, error, last = stream
    assert (first.pred_label.item(), last.pred_label.item()) == (3, 7)
    assert isinstance(error, ImageReadError)


def test_an_image_of_imagenet_size(photograph):
    """The whole pipeline of an ImageNet network with random weights: 1,000 named classes."""
    model = wrn.get_model('wide-resnet50_3rdparty_8xb32_in1k')
    result = wrn.inference_model(model, photograph)
    assert result['pred_scores'].shape == (1000,)
    assert result['pred_class'] == model._dataset_meta['classes'][result['pred_label']]


def test_runs_without_gradients(demo):
    model = wrn.get_model(DIGITS, True)
    assert not wrn.inference_model(
        model, demo / 'digit_3.png', return_datasamples=True
    ).pred_score.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    'change',
    [
        torch.nn.Module.half,
        torch.nn.Module.bfloat16,
        torch.nn.Module.double,
        lambda model: torch.compile(model, backend='eager'),
    ],
    ids=['half', 'bfloat16', 'double', 'compiled'],
)
def test_models_that_torch_changed(demo, change):
    """They give the same predictions and features, in float32."""
    check_like(change(wrn.get_model(DIGITS, True)), demo)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(demo, dtype):
    with torch.autocast('cpu', dtype):
        check_like(wrn.get_model(DIGITS, True), demo)


def check_like(model, demo):
    paths = sorted(demo.glob('digit_*.png'))
    expected = wrn.inference_model(DIGITS, paths)
    results = wrn.inference_model(model, paths, batch_size=2, workers=1)
    for ours, theirs in zip(results, expected, strict=True):
        assert ours['pred_class'] == theirs['pred_class']
        assert ours['pred_scores'].dtype == np.float32
        np.testing.assert_allclose(ours['pred_scores'], theirs['pred_scores'], atol=0.03)
    features = wrn.extract_features(model, paths, pool=True)
    for name, values in wrn.extract_features(DIGITS, paths, pool=True).items():
        assert features[name].dtype == np.float32
        np.testing.assert_allclose(features[name], values, rtol=0.05, atol=0.05)


def test_a_backend_for_a_compiled_model(demo):
    model = torch.compile(wrn.get_model(DIGITS, True), backend='eager')
    result = wrn.inference_model(model, demo / 'digit_7.png', backend='fused')
    assert result['pred_class'] == '7'


@pytest.mark.parametrize(('channels', 'takes'), [(1, False), (3, False), (4, True)])
def test_channels_of_images_read_unchanged(tmp_path, channels, takes):
    """A gray image has no fourth channel. Its one channel is not taken for all four."""
    config = Config.fromfile(model_index.models()[DIGITS].config)
    config.model.backbone.in_channels = 4
    config.data_preprocessor.update(mean=[127.5] * 4, std=[127.5] * 4)
    reading = dict(type='LoadImageFromFile', color_type='unchanged')
    config.test_dataloader.dataset.pipeline.insert(0, reading)
    model = wrn.get_model(config)
    pixels = np.zeros((16, 16, channels), np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(tmp_path / 'a.png')
    if takes:
        assert 'pred_label' in wrn.inference_model(model, tmp_path / 'a.png')
        return
    with pytest.raises(ImageReadError, match=f'a.png: .* {channels} channels?, but .* takes 4'):
        wrn.inference_model(model, tmp_path / 'a.png')
