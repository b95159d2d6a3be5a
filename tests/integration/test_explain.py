"""`wrn explain`, `wrn.explain` and `wrn predict --heatmaps`."""

import csv
import json
import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from commands import start_wrn, wait_for
from PIL import Image
from predictions import DIGITS
from small_run import write_config

import wrn
from wrn.inference.explanations import Explainer
from wrn.inference.heat_map import overlay
from wrn.jobs import heat_map_folder
from wrn.results.drawing_files import name_drawing
from wrn_base.cli import main

HOSTILE = (
    '<script>alert(1)', '</script>', 'a"b\'c', 'tab\tnew\nline\x1b]0;OWNED\x07', '\u202egnp', 'שלום', '😀', '=1+1',
    '..', '-rf', '%s%n', '日本' * 100, 'b' * 300, 'back\\slash', '$(id)', '\udcff',
)  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def images(digits):
    """Three digits; the first two files have the same name."""
    paths = sorted(digits.rglob('*.png'))[:2]
    for folder, path in zip('ab', paths, strict=True):
        Path('images', folder).mkdir(parents=True)
        Path('images', folder, 'x.png').write_bytes(path.read_bytes())
    Path('images/y.png').write_bytes(paths[1].read_bytes())
    return Path('images')


def explain(*words):
    main(['explain', *map(str, words), '--model', DIGITS, '--workers', '0', '--out', 'heat'])


def read_index():
    return [json.loads(line) for line in Path('heat/index.jsonl').read_text().splitlines()]


def read_png(path):
    return np.array(Image.open(path).convert('RGB'))


def test_predicted_class(images, capsys):
    explain(images)
    records = read_index()
    assert [record['img_path'] for record in records] == [
        'images/a/x.png', 'images/b/x.png', 'images/y.png',
    ]  # fmt: skip
    expected = {result['img_path']: result for result in wrn.inference_model(DIGITS, images)}
    explainer = Explainer(wrn.get_model(DIGITS, True))
    files = {'index.jsonl'}
    for number, (record, begin) in enumerate(zip(records, ('x', 'x', 'y'), strict=True)):
        assert 'sheet' not in record
        (one,) = record['heat_maps']
        result = expected[record['img_path']]
        assert one['pred_label'] == result['pred_label']
        assert one['pred_class'] == result['pred_class']
        assert one['pred_score'] == pytest.approx(result['pred_score'])
        assert one['overlay'] == f'{number:06}-{begin}-class{one["pred_label"]}.png'
        files |= {one['overlay'], one['raw_map']}
        raw = np.load(Path('heat', one['raw_map']))
        # The pipeline resizes a digit to 16x16 by Pillow's bilinear filter.
        pixels = np.array(
            Image.open(record['img_path']).resize((16, 16), Image.Resampling.BILINEAR)
        )
        inputs = torch.from_numpy(pixels).float()[None, None].expand(1, 3, -1, -1) / 127.5 - 1
        np.testing.assert_allclose(raw, explainer(inputs, [one['pred_label']])[0], atol=1e-5)
        large = np.stack([pixels.repeat(14, 0).repeat(14, 1)] * 3, 2)
        np.testing.assert_array_equal(read_png(f'heat/{one["overlay"]}'), overlay(large, raw))
        assert not one['is_blank']
    assert {path.name for path in Path('heat').iterdir()} == files
    text = capsys.readouterr().out
    assert 'heat: heat maps of 3 images by gradcam, layer backbone.act, see index.jsonl' in text
    assert 'as the network sees them' in text


def test_several_classes(images):
    explain(images / 'y.png', '--class', '3', '7', '--layer', 'layer2', '--method', 'hirescam')
    (record,) = read_index()
    assert [one['pred_label'] for one in record['heat_maps']] == [3, 7]
    first, second = (np.load(f'heat/{one["raw_map"]}') for one in record['heat_maps'])
    assert first.shape == (8, 8)
    assert not np.allclose(first, second)
    height, width, _ = read_png(f'heat/{record["sheet"]}').shape
    assert width > 2 * height  # the image and two maps


def test_python_gives_what_the_command_writes(images):
    explain(images, '--class', '3')
    results = list(wrn.explain(images, DIGITS, classes=3, workers=0, batch_size=2))
    for record, result in zip(read_index(), results, strict=True):
        assert record['img_path'] == result['img_path']
        (one,), (expected,) = record['heat_maps'], result['explanations']
        assert result['pixels'].shape == (16, 16, 3)
        assert one['pred_class'] == expected['pred_class'] == '3'
        np.testing.assert_allclose(
            np.load(f'heat/{one["raw_map"]}'), expected['raw_map'], atol=1e-5
        )
        np.testing.assert_allclose(
            read_png(f'heat/{one["overlay"]}'), expected['overlay'].astype(int), atol=3
        )


def test_arrays_in_python():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for order in ('RGB', 'BGR'):
        (result,) = wrn.explain(pixels, DIGITS, channel_order=order, workers=0)
        assert 'img_path' not in result
        shown = pixels if order == 'RGB' else pixels[..., ::-1]
        np.testing.assert_array_equal(result['pixels'], shown)


@pytest.mark.parametrize('to_rgb', [True, False])
def test_pixels_are_those_of_the_image(to_rgb):
    """Whatever the channel order of the network is."""
    model = make_model(('to_rgb=True', f'to_rgb={to_rgb}'))
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save('x.png')
    (result,) = wrn.explain('x.png', *model, workers=0)
    np.testing.assert_array_equal(result['pixels'], pixels)


def make_model(*changes):
    """Write the config of a small network with changes, and random weights."""
    text = Path(write_config('small.py')).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path('small.py').write_text(text)
    torch.manual_seed(0)
    torch.save(wrn.get_model('small.py').state_dict(), 'w.pth')
    return 'small.py', 'w.pth'


def test_multi_label_head():
    old = "type='LinearClsHead', num_classes=3, in_channels=64, topk=(1,),"
    new = "type='MultiLabelLinearClsHead', num_classes=3, in_channels=64,"
    sigmoid = ("loss=dict(type='CrossEntropyLoss', loss_weight=1.0)", 'thr=0.1')
    model = make_model((old, new), sigmoid)
    Image.new('RGB', (16, 16), 'red').save('x.png')
    (result,) = wrn.explain('x.png', *model, classes=[2, 0], workers=0)
    expected = wrn.inference_model(model[0], 'x.png', model[1])['pred_scores']
    found = {one['pred_label']: one['pred_score'] for one in result['explanations']}
    assert found == pytest.approx({2: expected[2], 0: expected[0]})


@pytest.mark.parametrize('color_type', ['grayscale', 'unchanged'])
def test_pixels_of_gray_and_of_deep_images(color_type):
    model = make_model(
        ("'LoadImageFromFile'", f"'LoadImageFromFile', color_type='{color_type}'"),
        ('depth=10,', 'depth=10, in_channels=1,'),
        ('[127.5] * 3', '[127.5]'),
    )
    gray = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    gray[0, 0] = 255
    # A 16-bit file is shown scaled by its largest value if it is read unchanged.
    Image.fromarray(gray if color_type == 'grayscale' else gray.astype(np.uint16) * 100).save(
        'x.png'
    )
    (result,) = wrn.explain('x.png', *model, workers=0)
    np.testing.assert_array_equal(result['pixels'], np.stack([gray] * 3, 2))


def test_unreadable_images_are_reported(images, capsys, fails):
    (images / 'b/x.png').write_bytes(b'<html>')
    line = fails('explain', images, '--model', DIGITS, '--workers', '0', '--out', 'heat', '--json')
    assert line == 'wrn: error: 1 of 3 images could not be read; remove or replace it'
    out, err = capsys.readouterr()
    records = [json.loads(text) for text in out.splitlines()]
    assert records == read_index()
    assert records[1].keys() == {'img_path', 'error'}
    assert 'images/b/x.png: not an image' in err
    assert records[2]['heat_maps'][0]['overlay'].startswith('000002-y-')


def test_existing_files_are_refused(images, fails):
    explain(images)
    before = {path: path.read_bytes() for path in Path('heat').iterdir()}
    words = ('explain', images, '--model', DIGITS, '--out', 'heat')
    assert 'heat/index.jsonl: exists; add --overwrite' in fails(*words)
    Path('heat/index.jsonl').unlink()
    assert '--out heat: has files; add --overwrite' in fails(*words)
    assert '--heatmaps heat: has files' in fails('predict', images, '--heatmaps', 'heat')
    explain(images, '--overwrite')
    assert {path: path.read_bytes() for path in Path('heat').iterdir()} == before


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--backend', 'onnxruntime'], '--backend onnxruntime: heat maps need layers and gradients, which'),
        (['--backend', 'auto'], 'have; use eager or fused'),
        (['--class', 'ten'], "--class 'ten': unknown; give a name, or an index from 0 to 9"),
        (['--class', '10'], "--class '10': unknown"),
        (['--class', '3', '--method', 'eigencam'], '--class: has no effect on eigencam'),
        (['--class', *'0123456789' * 3], '--class: has 30 values; give at most 20'),
        (['--layer', 'layr3'], "--layer 'layr3': the network has no such layer; did you mean 'layer3'?"),
        (['--out', 'images/heat'], '--out images/heat: is among the images of images, where'),
        (['--batch-size', '0'], '--batch-size 0: must be at least 1'),
    ],
)  # fmt: skip
def test_refusals(images, fails, words, message):
    line = fails('explain', 'images', '--model', DIGITS, '--out', 'heat', *words)
    assert message in line
    assert not list(Path().rglob('*.npy'))


def test_exported_files_are_refused(images, fails, exported_digits):
    model = exported_digits('onnx')
    line = fails('explain', images, '--model', model, '--out', 'heat')
    assert 'frozen graph (an exported file), which has no layers and no gradients; use its' in line


def test_wrong_arguments_in_python():
    with pytest.raises(TypeError, match="explain: unknown argument 'metod'; did you mean 'method'"):
        wrn.explain('x.png', DIGITS, metod='gradcam')
    with pytest.raises(wrn.WrnError, match="--method 'x': must be one of gradcam"):
        wrn.explain('x.png', DIGITS, method='x')
    with pytest.raises(wrn.WrnError, match=r'--backend foo: .*; use eager or fused'):
        wrn.explain('x.png', DIGITS, backend='foo')


def test_fused_backend(images):
    eager = list(wrn.explain(images, DIGITS, workers=0))
    fused = list(wrn.explain(images, DIGITS, workers=0, backend='fused'))
    for one, other in zip(eager, fused, strict=True):
        maps = [result['explanations'][0]['raw_map'] for result in (one, other)]
        np.testing.assert_allclose(*maps, atol=1e-4)


@pytest.mark.parametrize('name', HOSTILE)
def test_names_of_drawings_are_safe(name):
    for path in (name, f'{name}/{name}.png', f'https://user:secret@host/{name}.png?key=secret'):
        drawing = name_drawing(7, path)
        assert drawing.startswith('000007-')
        assert len(drawing) > len('000007-')
        assert 'secret' not in drawing
        assert not set(drawing) & set('/\\<>"\'\t\n\x1b\x07\u202e$()%=\0')
        assert len(f'{drawing}-class999999.npy'.encode()) < 255


def test_hostile_names(images):
    pixels = (images / 'y.png').read_bytes()
    names = [name for name in HOSTILE if len(os.fsencode(name)) < 200 and '/' not in name]
    Path('hostile').mkdir()
    for name in names:
        Path('hostile', f'{name}.png').write_bytes(pixels)
    explain('hostile', '--class', '3', '7')
    lines = Path('heat/index.jsonl').read_bytes().splitlines()
    records = [json.loads(line.decode(errors='surrogateescape')) for line in lines]
    shown = [name for name in names if not name.startswith('.')]  # hidden files are left out
    assert {record['img_path'] for record in records} == {f'hostile/{name}.png' for name in shown}
    written = {
        one[key] for r in records for one in r['heat_maps'] for key in ('overlay', 'raw_map')
    }
    written |= {record['sheet'] for record in records} | {'index.jsonl'}
    assert {path.name for path in Path('heat').iterdir()} == written
    assert {path.name for path in Path().iterdir()} == {'hostile', 'heat', 'images'}


def test_hostile_class_names(images):
    classes = [*(name[:300] for name in HOSTILE[:9]), 'c' * 300]
    network = wrn.get_model(DIGITS, True)
    meta = dict(dataset_meta=dict(classes=classes), cfg=network._config.pretty_text)
    torch.save(dict(state_dict=network.state_dict(), meta=meta), 'hostile.pth')
    main([
        'explain', 'images/y.png', '--model', 'hostile.pth', '--out', 'heat', '--workers', '0',
        '--class', classes[0], classes[9], '2', '3',
    ])  # fmt: skip
    (record,) = read_index()
    assert [one['pred_class'] for one in record['heat_maps']] == [classes[i] for i in (0, 9, 2, 3)]
    assert all(one['overlay'].startswith('000000-y-class') for one in record['heat_maps'])


def test_interrupted_run_is_resumed(digits, capsys):
    words = ['explain', str(digits), '--model', DIGITS, '--out', 'heat', '--batch-size', '2']
    process = start_wrn(words, (Path('stdout'), Path('stderr')))
    partial = Path('heat/index.jsonl.partial')
    wait_for(lambda: partial.exists() and partial.read_bytes().count(b'\n') > 2, process.is_alive)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not Path('heat/index.jsonl').exists()
    main([*words, '--workers', '0', '--json'])
    out, err = capsys.readouterr()
    assert 'wrn: resuming after' in err
    records = read_index()
    assert records == [json.loads(line) for line in out.splitlines()]
    overlays = [record['heat_maps'][0]['overlay'] for record in records]
    paths = sorted(digits.rglob('*.png'))
    assert [name[:9] for name in overlays] == [f'{i:06}-{p.name[:2]}' for i, p in enumerate(paths)]
    assert {path.name for path in Path('heat').glob('*.png')} == {*overlays}
    assert not list(Path('heat').glob('*.partial*'))


@pytest.mark.parametrize(
    ('words', 'writer'),
    [
        (('explain', '--model', DIGITS, '--class', '0', '1', '--out', 'heat'), 'write_map'),
        (('predict', '--out', 'out.jsonl', '--heatmaps', 'heat'), 'write_drawing'),
    ],
)
def test_a_run_is_resumed_that_was_interrupted_in_its_first_batch(
    images, fails, monkeypatch, capsys, words, writer
):
    words = [*words, str(images), '--workers', '0']
    write, calls = getattr(heat_map_folder, writer), []

    def interrupt(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(*given)

    monkeypatch.setattr(heat_map_folder, writer, interrupt)
    with pytest.raises(SystemExit, match='130'):
        main(words)
    monkeypatch.setattr(heat_map_folder, writer, write)
    assert 'stopped after 0 images; run the same command to resume' in capsys.readouterr().err
    other = [*words, '--batch-size', '2', '--backend', 'fused']
    assert 'from an interrupted run with different backend' in fails(*other)
    main(words)
    assert len(list(Path('heat').glob('*.png'))) == (9 if words[0] == 'explain' else 3)
    assert not list(Path().rglob('*.partial*'))


def test_a_corrected_run_follows_a_mistaken_one(images, fails):
    words = ('explain', images, '--model', DIGITS, '--workers', '0', '--out', 'heat')
    assert 'not a feature map' in fails(*words, '--layer', 'head.fc')
    explain(images, '--layer', 'layer1')
    assert len(read_index()) == 3


def test_predict_with_heat_maps(images, capsys):
    words = ['predict', 'images', '--topk', '2', '--workers', '0']
    main([*words, '--out', 'without.jsonl'])
    main([*words, '--out', 'with.jsonl', '--heatmaps', 'heat'])
    without, drawn = (
        [json.loads(line) for line in Path(name).read_text().splitlines()]
        for name in ('without.jsonl', 'with.jsonl')
    )
    names = ['heat/000000-x.png', 'heat/000001-x.png', 'heat/000002-y.png']
    assert [record.pop('heat_map') for record in drawn] == names
    assert drawn == without
    assert sorted(map(str, Path('heat').iterdir())) == names
    assert 'heat: heat maps of the predicted classes of 3 images' in capsys.readouterr().err
    (explained,) = wrn.explain('images/y.png', DIGITS, workers=0)
    np.testing.assert_allclose(
        read_png(names[2]), explained['explanations'][0]['overlay'].astype(int), atol=3
    )


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_column_of_heat_maps(images, suffix):
    Path('images/b/x.png').write_bytes(b'no')
    main(['predict', 'images', '--workers', '0', '--out', f'o{suffix}', '--heatmaps', 'heat'])
    if suffix == '.csv':
        with open('o.csv', newline='') as file:
            found = [row['heat_map'] for row in csv.DictReader(file)]
    else:
        import pyarrow.parquet

        found = [
            name or '' for name in pyarrow.parquet.read_table('o.parquet')['heat_map'].to_pylist()
        ]
    assert found == ['heat/000000-x.png', '', 'heat/000002-y.png']


def test_blank_maps_are_reported(images, capsys):
    """The maps of a network whose head has only negative weights have no positive value."""
    network = wrn.get_model(DIGITS, True)
    with torch.no_grad():
        network.head.fc.weight.fill_(-1)
    meta = dict(cfg=network._config.pretty_text)
    torch.save(dict(state_dict=network.state_dict(), meta=meta), 'blank.pth')
    words = ['--model', 'blank.pth', '--workers', '0']
    main(['explain', 'images/y.png', *words, '--out', 'heat', '--class', '3'])
    line = (
        "wrn: 1 of 1 heat map has no positive value, so only the image is shown (1 of '3'): no "
        'position raises the score of the class; try `wrn explain` with another --method, or with '
    )
    assert line in capsys.readouterr().err
    main(['explain', 'images', *words, '--out', 'two', '--class', '3', '5'])
    line = (
        "6 of 6 heat maps have no positive value, so only the image is shown (3 of '3', 3 of '5')"
    )
    assert line in capsys.readouterr().err
    main(['predict', 'images', *words, '--heatmaps', 'drawn'])
    assert '3 of 3 heat maps have no positive value' in capsys.readouterr().err
    (record,) = read_index()
    assert record['heat_maps'][0]['is_blank']
    pixels = cv2.resize(
        np.array(Image.open('images/y.png').resize((16, 16), Image.Resampling.BILINEAR)),
        (224, 224),
        interpolation=cv2.INTER_NEAREST,
    )
    np.testing.assert_array_equal(read_png('heat/000000-y-class3.png')[..., 0], pixels)
