"""The inference benchmarks run on the smallest model; their figures are not checked."""

import json
import os

import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.ci]
EAGER = ('--backend', 'eager')  # starts at once; auto would try all backends


@pytest.fixture
def benchmark(run, checkout, monkeypatch, tmp_path):
    """Return a function that runs a benchmark and returns its output and figures."""
    monkeypatch.setenv('PYTHONPATH', str(checkout), prepend=os.pathsep)

    def benchmark(name, *options):
        path = tmp_path / 'figures.json'
        result = run('python', checkout / 'benchmarks' / name, *options, '--json', path)
        return result.stdout, json.loads(path.read_text())

    return benchmark


def test_engines(benchmark, tmp_path):
    names = ['ours, fused', 'plain torch, eager', 'plain torch, ONNX*']
    figure = tmp_path / 'engines.png'
    options = ('--model', 'digits', '--batch-sizes', 1, 2, '--rounds', 1, '--png', figure)
    printed, figures = benchmark('engines.py', *options, '--only', *names)
    records = figures['records']
    assert [record['batch_size'] for record in records] == [1] * 3 + [2] * 3
    for record in records:
        assert record['name'] in printed
        assert record['p50'] <= record['p99']
        assert record['calls'] >= 4 // record['batch_size']
        assert 0 < record['images_per_second'] < 20 * figures['limit']
    ours, eager, compiled = records[:3]
    assert eager['to_eager'] == compiled['to_compiled'] == 1
    assert ours['to_eager'] == pytest.approx(eager['p50'] / ours['p50'])
    assert ours['difference'] > eager['difference'] == 0  # it is folded
    with Image.open(figure) as drawn:
        assert min(drawn.size) > 300


def test_engine_start(benchmark):
    options = ('--model', 'digits', '--runs', 1, '--only', 'ours, fused')
    printed, figures = benchmark('engine_start.py', *options)
    (start,) = figures['start']['ours, fused']
    assert 0.1 < start['seconds'] < 100
    assert start['peak'] > 100  # MiB, of torch alone
    ours, theirs = (figures['predict'][name][0] for name in ('wrn predict', 'mmpretrain'))
    assert ours['ratio'] == ours['seconds'] / theirs['seconds']
    assert 'left out' not in printed


def test_folder(benchmark):
    printed, figures = benchmark('folder.py', 'digits', '--images', 4, '--runs', 1, *EAGER)
    assert figures['results'].keys() == {'ours, float32', 'mmpretrain'}
    for (row,) in figures['results'].values():
        assert row['whole'] > 0
        assert row['memory'] > 100
    assert 'left out: ours, int8' in printed  # for which there is no eager


def test_memory_of_a_folder(benchmark):
    _, figures = benchmark('folder.py', 'memory', '--files', 3, *EAGER)
    rows = figures['results']
    assert rows.keys() == {'3 files, ours', '3 files, mmpretrain'}
    assert all(row['peak'] > 100 for (row,) in rows.values())
