"""`wrn predict` interrupted and resumed, and run by several processes."""

import json
import os
import signal
import sys
import zlib
from pathlib import Path

import pytest
from commands import free_port, start_wrn, wait_for
from filelock import FileLock
from predictions import DIGITS, check, read

from wrn_base.cli import main


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_killed_run_is_resumed(digits, expected, tmp_path):
    """A pipe without a writer, in place of an image, blocks the run."""
    pipe = tmp_path / 'pipe.png'
    os.mkfifo(pipe)
    paths = list(expected)
    (tmp_path / 'list.txt').write_text('\n'.join([*paths[:40], str(pipe), *paths[40:]]))
    command = ['predict', 'list.txt', '--out', 'out.jsonl', '--batch-size', '8', '--workers', '1']
    process = start_wrn(command, (tmp_path / 'stdout', tmp_path / 'stderr'))
    partial = tmp_path / 'out.jsonl.partial'
    wait_for(lambda: partial.exists() and len(partial.read_bytes().splitlines()) == 1 + 5)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / 'out.jsonl').exists()
    pipe.unlink()
    os.link(paths[0], pipe)
    with partial.open('a') as file:
        file.write('[{"img_path": "half of a li')  # as after a kill during a write
    all_results = {**dict(list(expected.items())[:40]), str(pipe): expected[paths[0]]}
    all_results |= dict(list(expected.items())[40:])
    process = start_wrn(command, (tmp_path / 'stdout', tmp_path / 'stderr'))
    process.join()
    assert process.exitcode == 0
    assert 'wrn: resuming after 40 images' in (tmp_path / 'stderr').read_text()
    check(read(tmp_path / 'out.jsonl'), all_results)
    assert not partial.exists()


def test_a_partial_file_of_another_run_is_left_alone(digits, fails, tmp_path):
    partial = tmp_path / 'out.csv.partial'

    def interrupted(*names, **changes):
        run = dict(
            command='predict', inputs=[str(digits)], model=DIGITS, checkpoint=None, backend='eager'
        )
        run |= dict(precision='float32', calibration=None, shard='0-of-1', topk=5)
        run |= dict(files=[None, None])
        records = [dict(img_path=name, predictions=[]) for name in names]
        header, batch = (f'{json.dumps(line)}\n' for line in ({**run, **changes}, records))
        content = f'{header}0 {zlib.crc32(batch.encode()):08x} {batch}'
        partial.write_text(content)
        return content

    for content, message in (
        (interrupted(topk=3), 'from an interrupted run with different topk'),
        (interrupted('x.png'), 'has the result of x.png where the inputs now have '),
        (
            interrupted(model='other', inputs=['y']),
            'from an interrupted run with different inputs and model',
        ),
        (interrupted(command='features'), 'from an interrupted run with different command'),
    ):
        partial.write_text(content)
        error = fails('predict', digits, '--out', 'out.csv')
        assert f'out.csv.partial: {message}' in error
        assert 'delete' in error
        assert partial.read_text() == content
    before = '{"inputs": ["x"], "model": "x"}\n{"img_path": "x", "predictions": []}\n'
    for content in (before, 'of somebody else\n', 'of a download', '[]\n', '{"x": 1}\n', '\n\n'):
        partial.write_text(content)
        assert 'not from an interrupted run of this command' in fails(
            'predict', digits, '--out', 'out.csv'
        )
        assert partial.read_text() == content
    with FileLock(f'{partial}.lock'):
        assert 'another process is writing it' in fails('predict', digits, '--out', 'out.csv')
    partial.write_text('{"command": ')  # killed while writing its first line
    main(['predict', str(digits), '--out', 'out.csv'])
    assert not partial.exists()


def test_a_full_disk(digits, run, tmp_path):
    command = f'ulimit -f 8; {sys.executable} -m wrn predict {digits} --out out.csv'
    result = run('bash', '-c', command, code=1)
    error = result.stderr.splitlines()[-1]
    assert error.startswith('wrn: error: out.csv.partial: cannot be written (')
    assert not (tmp_path / 'out.csv').exists()


def test_each_process_writes_its_part(digits, expected, run, tmp_path):
    torchrun = ('python', '-m', 'torch.distributed.run', '--nproc-per-node=2')
    job = (*torchrun, f'--master-port={free_port()}', '-m', 'wrn', 'predict', digits)
    run(*job, '--out', 'out.jsonl')
    parts = [read(tmp_path / f'out.{i}-of-2.jsonl') for i in range(2)]
    assert [len(part) for part in parts] == [30, 30]
    pairs = zip(*(part.items() for part in parts), strict=True)
    check(dict(item for pair in pairs for item in pair), expected)


def test_a_job_of_several_processes_is_started_again(digits, tmp_path, monkeypatch, capsys):
    def predict(index):
        for name, value in dict(RANK=index, WORLD_SIZE=2, LOCAL_RANK=index).items():
            monkeypatch.setenv(name, str(value))
        main(['predict', str(digits), '--out', 'out.csv'])
        return capsys.readouterr().err

    assert 'resuming' not in predict(0)
    results = (tmp_path / 'out.0-of-2.csv').read_bytes()
    assert 'wrn: resuming after 30 images' in predict(0)
    assert (tmp_path / 'out.0-of-2.csv').read_bytes() == results
    predict(1)
    assert sorted(os.listdir(tmp_path)) == ['out.0-of-2.csv', 'out.1-of-2.csv']
    with pytest.raises(SystemExit, match=r'out.0-of-2.csv: exists; add --overwrite to replace it'):
        predict(0)


def test_a_run_with_changed_weights_is_not_resumed(digits, fails, tmp_path, digits_weights):
    weights = tmp_path / 'w.safetensors'
    weights.write_bytes(Path(digits_weights).read_bytes())
    command = ('predict', digits, '--checkpoint', weights, '--out', 'out.csv')
    run = dict(
        command='predict',
        inputs=[str(digits)],
        model=DIGITS,
        checkpoint=str(weights),
        backend='eager',
    )
    run |= dict(precision='float32', calibration=None, shard='0-of-1', topk=5)
    run |= dict(files=[None, [weights.stat().st_size, weights.stat().st_mtime_ns]])
    (tmp_path / 'out.csv.partial').write_text(f'{json.dumps(run)}\n')
    os.utime(weights, ns=(0, 0))
    assert 'from an interrupted run with different files' in fails(*command)
