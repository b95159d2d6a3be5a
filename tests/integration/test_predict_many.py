"""`wrn predict` of many pictures: where they come from, what is written, and what if it is cut."""

import csv
import json
import os
import signal
import sys
import tarfile
from pathlib import Path

import pytest
from commands import free_port, start_wrn, wait_for
from filelock import FileLock
from PIL import Image
from sklearn.datasets import load_digits

import wrn
from wrn.cli import engine_options, main, progress
from wrn.pictures import Preparation, count_pictures, find_pictures, finding

DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    """Sixty digits, in two folders."""
    folder = tmp_path_factory.mktemp('digits')
    for i, pixels in enumerate(load_digits().images[:60]):
        path = folder / 'ab'[i % 2] / f'{i:02}.png'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((pixels * (255 / 16)).astype('uint8')).save(path)
    return folder


@pytest.fixture(scope='module')
def expected(digits):
    """The predictions, one by one, in the order of the paths."""
    results = wrn.inference_model(DIGITS, sorted(map(str, digits.rglob('*.png'))))
    return {result['img_path']: (result['pred_class'], result['pred_score']) for result in results}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(path):
    """The best class and score of each picture of a .jsonl file."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    best = [(r['img_path'], r['predictions'][0]) for r in records]
    return {name: (p['pred_class'], p['pred_score']) for name, p in best}


def check(results, expected):
    assert list(results) == list(expected)
    for name, (label, score) in expected.items():
        assert results[name][0] == label
        # Convolutions may sum in another order for another batch size.
        assert results[name][1] == pytest.approx(score, rel=1e-4)


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_a_folder(digits, expected, tmp_path, workers, capsys):
    options = ['--batch-size', '7', '--workers', str(workers)]
    main(['predict', str(digits), '--out', 'out.jsonl', *options])
    check(read(tmp_path / 'out.jsonl'), expected)
    assert os.listdir(tmp_path) == ['out.jsonl']
    out, err = capsys.readouterr()
    assert out == ''
    assert 'out.jsonl: 60 pictures, ' in err
    assert err.endswith(' images/s\n')


def test_all_formats_say_the_same(digits, expected, tmp_path):
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
        main(['predict', *inputs, '--out', 'out.jsonl'])
        results = read(tmp_path / 'out.jsonl')
        if inputs[0].endswith(('.tar', '.tgz')):
            assert next(iter(results)) == f'{inputs[0]}/a/00.png'
            results = {
                str(digits / name.removeprefix(f'{inputs[0]}/')): result
                for name, result in results.items()
            }
        check(results, expected)
    assert count_pictures(str(tmp_path / 'plain.tar')) == 60
    assert count_pictures(str(tmp_path / 'small.tgz')) is None  # to be read once only


def test_links_in_an_archive(digits, tmp_path, capsys):
    path = next(digits.rglob('*.png'))
    with tarfile.open('links.tar', 'w') as archive:
        archive.add(path, 'picture.png')
        for name, kind in (('hard.png', tarfile.LNKTYPE), ('soft.png', tarfile.SYMTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, 'picture.png'
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
    (tmp_path / 'bad.tar').write_bytes(b'no archive at all' * 99)
    assert 'bad.tar: cannot be read (' in fails('predict', 'bad.tar')
    with tarfile.open('empty.tar', 'w') as archive:
        archive.add(__file__, 'x.py')
    assert 'empty.tar: the archive has no pictures' in fails('predict', 'empty.tar')
    (tmp_path / 'list.txt').write_text('\n')
    assert 'list.txt: the list is empty' in fails('predict', 'list.txt')
    (tmp_path / 'binary.txt').write_bytes(b'\xff\xfe\0x')
    errors = run('wrn', 'predict', 'binary.txt', code=1).stderr.splitlines()
    assert errors[-1] == 'wrn: error: 1 of 1 pictures could not be read'


def test_a_large_folder_is_sorted_on_the_disk(digits, monkeypatch, tmp_path):
    for name in ('b-c.png', 'b.png', 'b/x.png', 'B.png', 'a0.png', 'z.txt', 'ä.png'):
        (tmp_path / 'odd' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'odd' / name).touch()
    for folder in (digits, tmp_path / 'odd'):
        whole = list(find_pictures(folder))
        assert whole == sorted(str(path) for path in folder.rglob('*.png'))
        monkeypatch.setattr(finding, '_IN_MEMORY', 3)
        assert list(find_pictures(folder)) == whole
        monkeypatch.undo()


def test_a_killed_run_goes_on(digits, expected, tmp_path):
    """A picture that blocks, a pipe that nobody writes to, holds the run where it is."""
    pipe = tmp_path / 'pipe.png'
    os.mkfifo(pipe)
    paths = list(expected)
    (tmp_path / 'list.txt').write_text('\n'.join([*paths[:40], str(pipe), *paths[40:]]))
    command = ['predict', 'list.txt', '--out', 'out.jsonl', '--batch-size', '8', '--workers', '1']
    process = start_wrn(command, (tmp_path / 'stdout', tmp_path / 'stderr'))
    partial = tmp_path / 'out.jsonl.partial'
    wait_for(lambda: partial.exists() and len(partial.read_bytes().splitlines()) == 1 + 40)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / 'out.jsonl').exists()
    pipe.unlink()
    os.link(paths[0], pipe)
    with partial.open('a') as file:
        file.write('{"img_path": "half of a li')  # as a kill in a write leaves it
    result_of_all = {**dict(list(expected.items())[:40]), str(pipe): expected[paths[0]]}
    result_of_all |= dict(list(expected.items())[40:])
    process = start_wrn(command, (tmp_path / 'stdout', tmp_path / 'stderr'))
    process.join()
    assert process.exitcode == 0
    assert '40 pictures are done, going on behind them' in (tmp_path / 'stderr').read_text()
    check(read(tmp_path / 'out.jsonl'), result_of_all)
    assert not partial.exists()


def test_what_cannot_be_gone_on_with_is_let_alone(digits, fails, tmp_path):
    partial = tmp_path / 'out.csv.partial'

    def interrupted(*names, **changes):
        run = dict(inputs=[str(digits)], model=DIGITS, checkpoint=None, backend='eager')
        run |= dict(precision='float32', calibration=None, shard='0-of-1', topk=5)
        run |= dict(files=[None, None])
        records = [dict(img_path=name, predictions=[]) for name in names]
        content = ''.join(f'{json.dumps(line)}\n' for line in ({**run, **changes}, *records))
        partial.write_text(content)
        return content

    for content, message in (
        (interrupted(topk=3), 'is of an interrupted run with another topk'),
        (interrupted('x.png'), 'has a result of x.png where there is'),
        (
            interrupted(model='other', inputs=['y']),
            'is of an interrupted run with another inputs and model',
        ),
    ):
        partial.write_text(content)
        error = fails('predict', digits, '--out', 'out.csv')
        assert f'out.csv.partial: {message}' in error
        assert 'delete' in error
        assert partial.read_text() == content
    for content in ('of somebody else\n', 'of a download', '[]\n', '{"x": 1}\n', '\n\n'):
        partial.write_text(content)
        assert 'is no file of an interrupted run' in fails('predict', digits, '--out', 'out.csv')
        assert partial.read_text() == content
    with FileLock(f'{partial}.lock'):
        assert 'another process is writing it' in fails('predict', digits, '--out', 'out.csv')
    partial.write_text('{"inputs": ')  # killed in its first line
    main(['predict', str(digits), '--out', 'out.csv'])
    assert not partial.exists()


def test_a_full_disk(digits, run, tmp_path):
    command = f'ulimit -f 8; {sys.executable} -m wrn predict {digits} --out out.csv'
    result = run('bash', '-c', command, code=1)
    error = result.stderr.splitlines()[-1]
    assert error.startswith('wrn: error: out.csv.partial: cannot be written (')
    assert not (tmp_path / 'out.csv').exists()


def test_several_processes_write_their_parts(digits, expected, run, tmp_path):
    torchrun = ('python', '-m', 'torch.distributed.run', '--nproc-per-node=2')
    job = (*torchrun, f'--master-port={free_port()}', '-m', 'wrn', 'predict', digits)
    run(*job, '--out', 'out.jsonl')
    parts = [read(tmp_path / f'out.{i}-of-2.jsonl') for i in range(2)]
    assert [len(part) for part in parts] == [30, 30]
    pairs = zip(*(part.items() for part in parts), strict=True)
    check(dict(item for pair in pairs for item in pair), expected)


def test_a_job_of_several_processes_started_again(digits, tmp_path, monkeypatch, capsys):
    def predict(index):
        for name, value in dict(RANK=index, WORLD_SIZE=2, LOCAL_RANK=index).items():
            monkeypatch.setenv(name, str(value))
        main(['predict', str(digits), '--out', 'out.csv'])
        return capsys.readouterr().err

    assert 'going on' not in predict(0)
    results = (tmp_path / 'out.0-of-2.csv').read_bytes()
    assert 'wrn: 30 pictures are done, going on behind them' in predict(0)
    assert (tmp_path / 'out.0-of-2.csv').read_bytes() == results
    predict(1)
    assert sorted(os.listdir(tmp_path)) == ['out.0-of-2.csv', 'out.1-of-2.csv']
    assert 'going on' not in predict(0)


def test_linked_folders(digits, tmp_path):
    (tmp_path / 'all').mkdir()
    (tmp_path / 'all' / 'linked').symlink_to(digits / 'a')
    (digits / 'a' / 'loop').symlink_to(digits)
    try:
        found = list(find_pictures('all'))
        assert found == [f'all/linked/{name}' for name in sorted(os.listdir(digits / 'a'))[:-1]] + [
            f'all/linked/loop/b/{name}' for name in sorted(os.listdir(digits / 'b'))
        ]
        assert len(list(find_pictures(digits))) == 60
    finally:
        (digits / 'a' / 'loop').unlink()


def test_engines_are_for_no_more_pictures_than_there_are(digits, monkeypatch):
    sizes = []

    def load(*args, batch_size, **options):
        sizes.append(batch_size)
        return wrn.get_model(DIGITS, True)

    monkeypatch.setattr(engine_options, 'load_model', load)
    pictures = sorted(map(str, digits.rglob('*.png')))
    main(['predict', *pictures[:3], '--backend', 'fused'])
    main(['predict', str(digits), '--backend', 'fused', '--out', 'out.csv'])
    assert sizes == [3, 32]


def test_bad_pictures_are_in_the_output(digits, tmp_path, capsys):
    folder = tmp_path / 'mixed'
    folder.mkdir()
    for i, path in enumerate(sorted(digits.rglob('*.png'))[:20]):
        (folder / f'{i:02}.png').write_bytes(b'damaged' if i % 5 == 0 else path.read_bytes())
    main(['predict', str(folder), '--out', 'out.csv', '--batch-size', '3'])
    with open('out.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [bool(row['error']) for row in rows] == [i % 5 == 0 for i in range(20)]
    assert [bool(row['pred_class']) for row in rows] == [i % 5 != 0 for i in range(20)]
    assert '20 pictures' in (err := capsys.readouterr().err)
    assert '; 4 could not be read, as it says' in err


def test_a_picture_that_cannot_be_prepared_is_not_fatal(digits, tmp_path, monkeypatch):
    """Such as one of a pixel's width, that is enlarged to more than there is memory for."""
    prepare = Preparation.__call__

    def tight(self, pixels):
        if pixels.shape[0] == 1:
            raise MemoryError('too large')
        return prepare(self, pixels)

    monkeypatch.setattr(Preparation, '__call__', tight)
    picture = next(digits.rglob('*.png'))
    Image.new('L', (99, 1)).save('odd.png')
    name = os.fsdecode(b'\xff.png')
    (tmp_path / name).write_bytes(b'damaged')
    main(['predict', 'odd.png', str(picture), name, '--out', 'out.parquet'])
    parquet = pytest.importorskip('pyarrow.parquet')
    odd, fine, damaged = parquet.read_table('out.parquet').to_pylist()
    assert odd['error'] == "odd.png: cannot be prepared (MemoryError('too large'))"
    assert fine['error'] is None
    assert damaged['img_path'] == '\\udcff.png'


def test_weights_that_have_changed_are_another_run(digits, fails, tmp_path, digits_weights):
    weights = tmp_path / 'w.safetensors'
    weights.write_bytes(Path(digits_weights).read_bytes())
    command = ('predict', digits, '--checkpoint', weights, '--out', 'out.csv')
    run = dict(inputs=[str(digits)], model=DIGITS, checkpoint=str(weights), backend='eager')
    run |= dict(precision='float32', calibration=None, shard='0-of-1', topk=5)
    run |= dict(files=[None, [weights.stat().st_size, weights.stat().st_mtime_ns]])
    (tmp_path / 'out.csv.partial').write_text(f'{json.dumps(run)}\n')
    os.utime(weights, ns=(0, 0))
    assert 'is of an interrupted run with another files' in fails(*command)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number(digits, run, tmp_path):
    """Peak memory of 4,000 pictures and of 500, of which the lists alone would take more."""
    code = (
        'import resource, sys; from wrn.cli import main; main(sys.argv[1:]); '
        'print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)'
    )
    picture = next(digits.rglob('*.png'))
    peaks = []
    for number in (500, 4000):
        folder = tmp_path / f'many{number}'
        folder.mkdir()
        for i in range(number):
            os.link(picture, folder / f'{i}.png')
        run('python', '-c', code, 'predict', folder, '--out', 'a.csv')  # its arenas vary
        runs = [
            run('python', '-c', code, 'predict', folder, '--out', f'{number}.csv') for _ in '12'
        ]
        peaks.append(min(int(result.stdout.splitlines()[-1]) for result in runs))
    assert peaks[1] - peaks[0] < 8 << 10  # KiB; a result kept as dicts would be 1 KiB and more
