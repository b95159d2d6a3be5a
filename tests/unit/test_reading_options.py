"""The options of the reading step hold in prediction: channels, ranges, and the order of arrays."""

import warnings

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image, PngImagePlugin

import wrn
from wrn.checkpoints.network_config import read_model_config
from wrn.checkpoints.weights import Weights
from wrn.data import CheckedReading
from wrn.data.check_folder import check_folder
from wrn.data.depth import advise_depth, find_largest
from wrn.data.images import Preprocessing, read_image
from wrn.data.images.allowed_steps import check_steps
from wrn.data.splitting import find_splits
from wrn.inference import FeatureExtractor, Predictor
from wrn.training import make_finetune_config
from wrn.zoo.resolve import resolve
from wrn_base.cli import main
from wrn_base.errors import ChannelOrderWarning, ImageReadError, WrnError

REST = [dict(type='Resize', scale=(16, 16)), dict(type='PackInputs')]


def make_config(channels, load, mean=None, dataset='CustomDataset'):
    """Make the config of a small network; ``load`` is its reading step, if it has one."""
    preprocessor = dict(to_rgb=False)
    if mean:
        preprocessor.update(mean=mean, std=[1.0] * len(mean))
    backbone = dict(type='WideResNetCIFAR', depth=10, widen_factor=1, in_channels=channels)
    head = dict(type='LinearClsHead', num_classes=3, in_channels=64)
    neck = dict(type='GlobalAveragePooling')
    pipeline = [*([load] if load else []), *REST]
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(type='ImageClassifier', backbone=backbone, neck=neck, head=head),
            data_preprocessor=preprocessor,
            test_dataloader=dict(dataset=dict(type=dataset, pipeline=pipeline)),
        )
    )


def load(**options):
    return dict(type='LoadImageFromFile', **options)


@pytest.fixture
def path(tmp_path, rng):
    pixels = rng.integers(0, 256, (20, 30, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'x.png')
    return tmp_path / 'x.png'


def inputs_of(config, image):
    predictor = Predictor(wrn.get_model(config), channel_order='BGR')
    ((inputs,), _) = next(predictor.batches([image]))
    return inputs


@pytest.mark.parametrize(
    ('channels', 'step'),
    [
        (1, load(color_type='grayscale')),
        (1, load(color_type='grayscale', to_float32=True)),
        (1, None),  # a dataset of arrays, such as MNIST
        (3, load(to_float32=True)),
        (4, load(color_type='unchanged')),
    ],
)
def test_networks_of_other_channels(path, channels, step):
    mean = [float(10 * i) for i in range(channels)]
    config = make_config(channels, step, mean)
    inputs = inputs_of(config, path)
    assert inputs.shape == (1, channels, 16, 16)
    gray = channels == 1
    reading = CheckedReading(step or load(color_type='grayscale'))
    pixels = cv2.resize(reading(dict(img_path=str(path)))['img'], (16, 16))
    expected = np.atleast_3d(pixels) - np.array(mean)
    np.testing.assert_allclose(inputs[0].permute(1, 2, 0), expected, atol=1e-4)
    # Arrays and PIL images are read as files are. OpenCV's decoders round gray differently.
    for image in (cv2.imread(str(path), cv2.IMREAD_UNCHANGED), Image.open(path)):
        np.testing.assert_allclose(inputs_of(config, image), inputs, atol=2.01 if gray else 1e-4)
    results = wrn.inference_model(wrn.get_model(config), [path, path], batch_size=2)
    assert [result['pred_label'] in (0, 1, 2) for result in results] == [True, True]
    features = FeatureExtractor(wrn.get_model(config), ['layer1'], pool=True)
    (row,) = features.stream([path])
    assert row.stages['layer1'].shape == (16,)


@pytest.mark.parametrize(
    ('channels', 'step', 'mean', 'message'),
    [
        (1, load(), None, 'read with 3 channels, but the network takes 1; change color_type'),
        (3, load(color_type='grayscale'), None, 'read with 1 channel, but the network takes 3'),
        (4, load(), None, 'read with 3 channels, but the network takes 4'),
        (3, load(color_type='gray'), None, "color_type='gray': must be one of color"),
        (3, load(imdecode_backend='tifffile'), None, 'tifffile.: unavailable .*not installed'),
        (3, load(imdecode_backend='turbojpeg'), None, 'turbojpeg.: unavailable .*not installed'),
        (3, load(ignore_orientation=True), None, "unexpected keyword argument 'ignore_orient"),
        (3, dict(type='LoadRandomResizedCrop', scale=8), None, 'prediction cannot read images by'),
        (3, dict(type='LoadImage', value_range=(1, 0)), None, 'must be two numbers, the smaller'),
        (3, load(), [1.0, 2.0], 'mean=.*must be a list of 3 numbers'),
    ],
)
def test_what_cannot_be_read_is_one_line_before_the_first_image(channels, step, mean, message):
    with pytest.raises(WrnError, match=message) as error:
        Predictor(wrn.get_model(make_config(channels, step, mean)))
    assert '\n' not in str(error.value)


def test_a_gray_image_may_be_normalized_by_several_means(path):
    inputs = inputs_of(make_config(3, load(color_type='grayscale'), [0.0, 10.0, 20.0]), path)
    assert inputs.shape[1] == 3


def test_an_unchanged_image_of_other_channels_is_an_error_of_its_own(path, tmp_path):
    Image.open(path).convert('RGB').save(tmp_path / 'rgb.png')
    predictor = Predictor(wrn.get_model(make_config(4, load(color_type='unchanged'))))
    good, bad = predictor.stream([path, tmp_path / 'rgb.png'], batch_size=2)
    assert good.pred_score.shape == (3,)
    assert str(bad).startswith(f'{tmp_path}/rgb.png: images are read with 3 channels')


def test_a_published_network_of_one_channel_is_its_own_config(path):
    config = make_config(1, load(color_type='grayscale'), [0.0])
    network = wrn.get_model(config)
    weights = Weights(network.state_dict(), dict(cfg=config.pretty_text))
    read = read_model_config(weights, 'x.pth')
    assert read.model.backbone.in_channels == 1
    assert Preprocessing(read).reading.color_type == 'grayscale'


@pytest.mark.parametrize('channel_order', ['BGR', 'RGB'])
def test_the_channel_order_of_arrays(rng, channel_order):
    network = wrn.get_model(make_config(3, None, dataset='CIFAR10'))
    bgr = rng.integers(0, 256, (32, 32, 3), np.uint8)
    array = bgr if channel_order == 'BGR' else bgr[..., ::-1]
    expected = wrn.inference_model(network, Image.fromarray(bgr[..., ::-1]))
    result = wrn.inference_model(network, array, channel_order=channel_order)
    np.testing.assert_array_equal(result['pred_scores'], expected['pred_scores'])
    stages = [
        wrn.extract_features(network, image, ['layer1'], channel_order=channel_order)['layer1']
        for image in (array, Image.fromarray(bgr[..., ::-1]))
    ]
    np.testing.assert_array_equal(*stages)
    other = wrn.inference_model(network, array[..., ::-1], channel_order=channel_order)
    assert not np.array_equal(other['pred_scores'], expected['pred_scores'])
    with pytest.raises(WrnError, match="channel_order='rgb': must be 'BGR' or 'RGB'"):
        wrn.inference_model(network, array, channel_order='rgb')


@pytest.mark.parametrize('workers', [0, 1])
def test_an_assumed_channel_order_is_a_warning_once(rng, workers):
    network = wrn.get_model(make_config(3, None, dataset='CIFAR10'))
    array = rng.integers(0, 256, (32, 32, 3), np.uint8)
    with pytest.warns(ChannelOrderWarning, match="set channel_order='RGB' or") as record:
        results = wrn.inference_model(network, [array] * 3, workers=workers)
    assert len(record) == 1
    with pytest.warns(ChannelOrderWarning):
        wrn.extract_features(network, [array] * 3, ['layer1'], workers=workers)
    explicit = wrn.inference_model(network, array, channel_order='BGR')
    np.testing.assert_allclose(results[0]['pred_scores'], explicit['pred_scores'], rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # neither larger nor gray arrays, nor files
        large, gray = np.tile(array, (2, 2, 1)), array[..., :1].repeat(3, axis=2)
        wrn.inference_model(network, [large, gray, array[..., 0]])
        of_files = wrn.get_model(make_config(3, load()))
        wrn.inference_model(of_files, array)


TWELVE = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)


@pytest.fixture
def xrays(tmp_path):
    for i, name in enumerate('ab'):
        (tmp_path / 'xrays' / name).mkdir(parents=True)
        for j in range(3):
            pixels = np.roll(TWELVE, 50 * j + 7 * i)
            cv2.imwrite(str(tmp_path / 'xrays' / name / f'{j}.png'), pixels)
    return tmp_path / 'xrays'


def test_small_ranges_are_reported(xrays, capsys, fails, rng):
    error = fails('check-data', xrays)
    assert '6 problems found' in error
    assert 'images with values in a small part of their 16 bits' in capsys.readouterr().out
    problems = check_folder(xrays).problems
    assert {problem.kind for problem in problems} == {'depth'}
    assert '`wrn finetune --bit-depth 12`' in problems[0].reason
    paths = sorted(map(str, xrays.rglob('*.png')))
    advice = advise_depth(paths, None)
    assert advice == (
        'of 6 images, 6 have more than 8 bits, but their values end at 4095, which leaves 16 levels '
        'of 256; add --bit-depth 12 to read them as 12-bit images'
    )
    assert advise_depth(paths, 12) is None
    assert advise_depth(paths, 10).endswith('with values up to 4095; --bit-depth 10 clips them')
    deep = rng.integers(0, 1 << 16, (64, 64), np.uint16)
    cv2.imwrite(str(xrays / 'a' / 'z.png'), deep)  # the others may be dark
    assert check_folder(xrays).problems == []
    assert advise_depth([*paths, str(xrays / 'a' / 'z.png')], None) is None
    # Signed and 32-bit files keep their values, too; those of floats are not bits.
    dark = rng.integers(0, 200, (64, 64))
    for kind, expected in ((np.int16, 199), (np.int32, 199), (np.float32, None)):
        content = cv2.imencode('.tif', dark.astype(kind))[1].tobytes()
        assert find_largest(content, 'x.tif') == expected
    stated = b'P5 64 64 4095\n' + TWELVE.astype('>u2').tobytes()
    assert find_largest(stated, 'x.pgm') is None
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(xrays / '8.png')
    assert '--bit-depth 12 changes nothing' in advise_depth([str(xrays / '8.png')], 12)


@pytest.mark.parametrize(
    'model', ['wide-resnet16-2_1xb64_digits', 'wide-resnet50_3rdparty_8xb32_in1k']
)
def test_a_bit_depth_is_in_the_config_and_holds_in_training_and_prediction(xrays, model):
    config = make_finetune_config(find_splits(xrays), resolve(model), 'x.pth', bit_depth=12)
    path = str(xrays / 'a' / '0.png')
    expected = np.repeat((TWELVE / 4095 * 255).round()[..., None], 3, 2)
    text = Config.fromstring(config.pretty_text, '.py')
    np.testing.assert_array_equal(read_image(path, Preprocessing(text).reading), expected)
    check_steps(text.test_dataloader.dataset.pipeline, 'x.pth', 'hint')
    for loader in (config.train_dataloader, config.test_dataloader):
        step = loader.dataset.pipeline[0]
        assert step.value_range == (0, 4095)
        if step.type == 'LoadImage':
            pixels = CheckedReading(dict(step))(dict(img_path=path))['img']
        else:  # a random crop, here of the whole image
            whole = dict(step, scale=64, crop_ratio_range=(1, 1), aspect_ratio_range=(1, 1))
            pixels = CheckedReading(whole)(dict(img_path=path))['img']
        np.testing.assert_array_equal(pixels, expected)


def test_8_bit_images_beside_deep_ones_are_not_changed(tmp_path, rng):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = rng.integers(0, 256, (8, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'x.jpg', exif=exif)
    step = CheckedReading(dict(type='LoadImage', value_range=(0, 4095)))
    sample = step(dict(img_path=str(tmp_path / 'x.jpg')))
    np.testing.assert_array_equal(sample['img'], read_image(tmp_path / 'x.jpg'))
    assert sample['img_shape'] == (6, 8)


def test_mistakes_of_bit_depth(xrays, fails):
    for depth in ('0', '17'):
        assert f'--bit-depth {depth}: must be' in fails('finetune', xrays, '--bit-depth', depth)


def test_an_image_with_much_text_is_readable_everywhere(tmp_path, capsys, make_image_folder):
    root = make_image_folder()
    info = PngImagePlugin.PngInfo()
    info.add_text('Comment', 'x' * 3_000_000, zip=True)
    path = root / 'train' / 'class_0' / 'text.png'
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(path, pnginfo=info)
    assert read_image(path).tolist() == np.full((9, 9, 3), 7).tolist()
    main(['check-data', str(root)])
    assert 'no problems found' in capsys.readouterr().out


def test_a_checksum_of_text_that_is_wrong_is_no_unreadable_image(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text('Comment', 'much text')
    path = tmp_path / 'a' / 'x.png'
    path.parent.mkdir()
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(path, pnginfo=info)
    path.write_bytes(path.read_bytes().replace(b'much', b'Much'))
    assert read_image(path).shape == (9, 9, 3)
    (problem,) = check_folder(tmp_path).problems
    assert (problem.kind, problem.path) == ('changed', 'a/x.png')


def test_listed_twice_empty_splits_and_line_breaks(make_image_folder, tmp_path, fails, capsys):
    root = make_image_folder()
    lines = tmp_path / 'lines.txt'
    lines.write_text('class_0/0.jpg 0\nclass_0/0.jpg 0\nclass_1/0.jpg 1\nclass_1/0.jpg 0\n')
    found = check_folder(root / 'train', lines).problems
    assert [(p.kind, p.path, p.reason) for p in found] == [
        ('duplicate', 'class_0/0.jpg', 'listed before'),
        ('conflict', 'class_1/0.jpg', 'listed before'),
    ]
    (tmp_path / 'data' / 'train').mkdir(parents=True)
    (root / 'val').rename(tmp_path / 'data' / 'val')
    problems = check_folder(tmp_path / 'data').problems
    assert ('empty', 'train', 'has no images') in problems
    (tmp_path / 'n' / 'a').mkdir(parents=True)
    (tmp_path / 'n' / 'a' / 'x\ny.png').write_bytes(b'')
    fails('check-data', tmp_path / 'n')
    assert "'a/x\\ny.png'" in capsys.readouterr().out


def test_float_arrays_and_tiffs_of_a_range(tmp_path):
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / 'x.tif')
    config = make_config(3, dict(type='LoadImage', value_range=(0, 1)))
    for image in (tmp_path / 'x.tif', values, Image.fromarray(values)):
        pixels = read_image(image, Preprocessing(config).reading)
        assert pixels[..., 1].ravel().tolist() == [*range(256)]
    with pytest.raises(ImageReadError, match=r'values, 0 to 1, .*give it to LoadImage'):
        read_image(tmp_path / 'x.tif')
