"""`wrn predict` with many images: its inputs and its output files."""

import csv
import json
import os
import tarfile

import pytest
from PIL import Image
from predictions import DIGITS, check, read

import wrn
from wrn.cli import backend_options, progress
from wrn.data.images import Preprocessing, count_images, find_images, walk
from wrn_base.cli import main


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_a_folder(digits, expected, tmp_path, workers, capsys):
    options = ['--batch-size', '7', '--workers', str(workers)]
    main(['predict', str(digits), '--out', 'out.jsonl', *options])
    check(read(tmp_path / 'out.jsonl'), expected)
    assert os.listdir(tmp_path) == ['out.jsonl']
    out, err = capsys.readouterr()
    assert out == ''
    assert 'out.jsonl: 60 images, ' in err
    assert err.endswith(' images/s\n')


def test_all_formats_have_the_same_content(digits, expected, tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet')
    for suffix in ('csv', 'json', 'jsonl', 'parquet'):
        main(['predict', str(digits), '--out', f'out.{suffix}', '--topk', '2'])
    check(read(tmp_path / 'out.jsonl'), expected)
    lines = [json.loads(line) for line in (tmp_path / 'out.jsonl').read_text().splitlines()]
    assert json.loads((tmp_path / 'out.json').read_text()) == lines
    rows = parquet.read_table(tmp_path / 'out.parquet').to_pylist()
    with (tmp_path / 'out.csv').open(newline='') as file:
        texts = list(csv.DictReader(file))
    assert texts[0].keys() == rows[0].keys()
    for line, row, text in zip(lines, rows, texts, strict=True):
        first, second = line['predictions']
        assert row['img_path'] == text['img_path'] == line['img_path']
        assert row['pred_class_2'] == text['pred_class_2'] == second['pred_class']
        assert row['pred_label'] == int(text['pred_label']) == first['pred_label']
        assert float(text['pred_score']) == first['pred_score']
        assert row['pred_score'] == pytest.approx(first['pred_score'], rel=1e-7)  # float32
        assert row['error'] is None
        assert text['error'] == ''


def test_lists_archives_and_patterns(digits, expected, tmp_path):
    (tmp_path / 'list.txt').write_text('\n'.join(expected) + '\n\n')
    for name, mode in (('plain.tar', 'w'), ('small.tgz', 'w:gz')):
        with tarfile.open(tmp_path / name, mode) as archive:
            for path in expected:
                archive.add(path, os.path.relpath(path, digits))
            archive.add(__file__, 'readme.py')
    for inputs in (
        ['list.txt'],
        ['plain.tar'],
        ['small.tgz'],
        [f'{digits}/a', f'{digits}/b/*.png'],
    ):
        main(['predict', *inputs, '--out', 'out.jsonl', '--overwrite'])
        results = read(tmp_path / 'out.jsonl')
        if inputs[0].endswith(('.tar', '.tgz')):
            assert next(iter(results)) == f'{inputs[0]}/a/00.png'
            results = {
                str(digits / name.removeprefix(f'{inputs[0]}/')): result
                for name, result in results.items()
            }
        check(results, expected)
    assert count_images(str(tmp_path / 'plain.tar')) == 60
    assert count_images(str(tmp_path / 'small.tgz')) is None  # it is read only once


def test_links_in_an_archive(digits, tmp_path, capsys):
    path = next(digits.rglob('*.png'))
    with tarfile.open('links.tar', 'w') as archive:
        archive.add(path, 'image.png')
        for name, kind in (('hard.png', tarfile.LNKTYPE), ('soft.png', tarfile.SYMTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, 'image.png'
            archive.addfile(link)
    main(['predict', 'links.tar', '--out', 'out.jsonl'])
    records = [json.loads(line) for line in (tmp_path / 'out.jsonl').read_text().splitlines()]
    assert 'predictions' in records[0]
    for record, name in zip(records[1:], ('hard.png', 'soft.png'), strict=True):
        assert record['error'].startswith(f'links.tar/{name}: is a link in the archive')
    assert '2 could not be read' in capsys.readouterr().err


def test_a_log_has_lines_of_progress(digits, monkeypatch, capsys):
    monkeypatch.setattr(progress, '_LINE_SECONDS', 0)
    main(['predict', str(digits), '--out', 'out.jsonl', '--batch-size', '20'])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('Predicting')]
    assert len(lines) == 60
    assert all('/60' in line for line in lines)
    assert 'images/s' in lines[-1]


def test_a_bad_archive_or_list(fails, run, tmp_path):
    (tmp_path / 'bad.tar').write_bytes(b'not an archive' * 99)
    assert 'bad.tar: cannot be read (' in fails('predict', 'bad.tar')
    with tarfile.open('empty.tar', 'w') as archive:
        archive.add(__file__, 'x.py')
    assert 'empty.tar: the archive has no images' in fails('predict', 'empty.tar')
    (tmp_path / 'list.txt').write_text('\n')
    assert 'list.txt: the list is empty' in fails('predict', 'list.txt')
    (tmp_path / 'binary.txt').write_bytes(b'\xff\xfe\0x')
    errors = run('wrn', 'predict', 'binary.txt', code=1).stderr.splitlines()
    assert errors[-1] == 'wrn: error: 1 of 1 image could not be read; remove or replace it'


def test_a_large_folder_is_sorted_on_the_disk(digits, monkeypatch, tmp_path):
    for name in ('b-c.png', 'b.png', 'b/x.png', 'B.png', 'a0.png', 'z.txt', 'ä.png'):
        (tmp_path / 'odd' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'odd' / name).touch()
    for folder in (digits, tmp_path / 'odd'):
        whole = list(find_images(folder))
        assert whole == sorted(str(path) for path in folder.rglob('*.png'))
        monkeypatch.setattr(walk, '_IN_MEMORY', 3)
        assert list(find_images(folder)) == whole
        monkeypatch.undo()


def test_linked_folders(digits, tmp_path):
    (tmp_path / 'all').mkdir()
    (tmp_path / 'all' / 'linked').symlink_to(digits / 'a')
    (digits / 'a' / 'loop').symlink_to(digits)
    try:
        found = list(find_images('all'))
        assert found == [f'all/linked/{name}' for name in sorted(os.listdir(digits / 'a'))[:-1]] + [
            f'all/linked/loop/b/{name}' for name in sorted(os.listdir(digits / 'b'))
        ]
        assert len(list(find_images(digits))) == 60
    finally:
        (digits / 'a' / 'loop').unlink()


def test_the_batch_size_of_an_engine_is_at_most_the_number_of_images(digits, monkeypatch):
    sizes = []

    def load(*args, batch_size, **options):
        sizes.append(batch_size)
        return wrn.get_model(DIGITS, True)

    monkeypatch.setattr(backend_options, 'load_model', load)
    images = sorted(map(str, digits.rglob('*.png')))
    main(['predict', *images[:3], '--backend', 'fused'])
    main(['predict', str(digits), '--backend', 'fused', '--out', 'out.csv'])
    assert sizes == [3, 32]


def test_damaged_images_are_in_the_output(digits, tmp_path, capsys):
    folder = tmp_path / 'mixed'
    folder.mkdir()
    for i, path in enumerate(sorted(digits.rglob('*.png'))[:20]):
        (folder / f'{i:02}.png').write_bytes(b'damaged' if i % 5 == 0 else path.read_bytes())
    main(['predict', str(folder), '--out', 'out.csv', '--batch-size', '3'])
    with open('out.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [bool(row['error']) for row in rows] == [i % 5 == 0 for i in range(20)]
    assert [bool(row['pred_class']) for row in rows] == [i % 5 != 0 for i in range(20)]
    assert '20 images' in (err := capsys.readouterr().err)
    assert '; 4 could not be read, see the file' in err


def test_an_image_that_cannot_be_preprocessed_is_not_fatal(digits, tmp_path, monkeypatch):
    """Such as an image one pixel wide, which would be enlarged beyond the memory."""
    preprocess = Preprocessing.__call__

    def limited(self, pixels):
        if pixels.shape[0] == 1:
            raise MemoryError('too large')
        return preprocess(self, pixels)

    monkeypatch.setattr(Preprocessing, '__call__', limited)
    image = next(digits.rglob('*.png'))
    Image.new('L', (99, 1)).save('odd.png')
    name = os.fsdecode(b'\xff.png')
    (tmp_path / name).write_bytes(b'damaged')
    main(['predict', 'odd.png', str(image), name, '--out', 'out.parquet'])
    parquet = pytest.importorskip('pyarrow.parquet')
    odd, fine, damaged = parquet.read_table('out.parquet').to_pylist()
    assert odd['error'] == (
        "odd.png: cannot be preprocessed (MemoryError('too large')); replace the image, or change "
        "the config's test pipeline"
    )
    assert fine['error'] is None
    assert damaged['img_path'] == '\\udcff.png'


@pytest.mark.ci
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number(digits, run, tmp_path):
    """Compare the peak for 4,000 and 500 images; lists of results alone would take more."""
    code = (
        'import resource, sys; from wrn_base.cli import main; main(sys.argv[1:]); '
        'print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)'
    )
    image = next(digits.rglob('*.png'))
    peaks = []
    for number in (500, 4000):
        folder = tmp_path / f'many{number}'
        folder.mkdir()
        for i in range(number):
            os.link(image, folder / f'{i}.png')
        runs = [
            run('python', '-c', code, 'predict', folder, '--out', f'{number}-{i}.csv')
            for i in range(2)  # the first warms up
        ]
        peaks.append(min(int(result.stdout.splitlines()[-1]) for result in runs))
    assert peaks[1] - peaks[0] < 8 << 10  # KiB; each result kept as dicts would take at least 1 KiB
