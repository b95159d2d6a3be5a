"""A run that was interrupted anywhere ends with the same file as one that was not."""

import zlib

import numpy as np
import pytest

from wrn.results.feature_files import write_features
from wrn.results.partial_file import PartialFile
from wrn.results.record import Record
from wrn.results.writers import write_predictions
from wrn_base.errors import WrnError

RUN = dict(command='x', model='m')
NAMES = [f'{i}.png' for i in range(7)]


def of_predictions(i):
    if i == 3:
        return Record(img_path=NAMES[i], error='ü')
    return Record(img_path=NAMES[i], predictions=[dict(pred_label=i, pred_score=i / 7)])


def of_features(i):
    if i == 3:
        return Record(img_path=NAMES[i], error='ü')
    # Some bytes are newlines, and the values are not contiguous, as in outputs of networks.
    maps = np.array([[10 + i, 0x0A0A0A0A], [i, 7]], np.int32).view(np.float32).T
    return Record(img_path=NAMES[i], stages=dict(layer2=maps, layer1=np.full(3, i, np.float32)))


CASES = [
    ('x.csv', of_predictions, lambda out, records: write_predictions(out, records, 1)),
    ('x.safetensors', of_features, write_features),
    ('x.parquet', of_features, write_features),
]


def resume(out, describe, write, stop=None):
    """Run in batches of two images; return how many had been done earlier."""
    results = PartialFile(out, RUN, write, overwrite=True)
    with results.resumed(NAMES) as rest:
        earlier = results.done
        rest = list(rest)
        assert rest == NAMES[earlier:]
        for start in range(earlier, len(NAMES), 2):
            if start == stop:
                raise KeyboardInterrupt
            results.add([describe(i) for i in range(start, min(start + 2, len(NAMES)))])
    assert (results.done, results.failed) == (7, 1)
    if write is write_features:
        assert results.shapes == dict(layer2=(2, 2), layer1=(3,))
    return earlier


@pytest.mark.parametrize(('name', 'describe', 'write'), CASES, ids=[case[0] for case in CASES])
def test_truncated_anywhere(name, describe, write, tmp_path):
    if name == 'x.parquet':
        pytest.importorskip('pyarrow')
    out, partial = tmp_path / name, tmp_path / f'{name}.partial'
    assert resume(out, describe, write) == 0
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        resume(out, describe, write, stop=6)
    content = partial.read_bytes()
    seen = []
    for size in range(len(content) + 1):
        partial.write_bytes(content[:size])
        seen.append(resume(out, describe, write))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == whole
    assert set(seen) == {0, 2, 4, 6}
    assert seen == sorted(seen)


@pytest.mark.parametrize(('name', 'describe', 'write'), CASES[:2], ids=['csv', 'safetensors'])
def test_damaged_anywhere(name, describe, write, tmp_path):
    """A batch with a flipped bit is computed again, with all that follow it."""
    out, partial = tmp_path / name, tmp_path / f'{name}.partial'
    resume(out, describe, write)
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        resume(out, describe, write, stop=6)
    content = partial.read_bytes()
    seen = set()
    for place in range(content.index(b'\n') + 1, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        partial.write_bytes(damaged)
        seen.add(resume(out, describe, write))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == whole
    assert seen == {0, 2, 4}


@pytest.mark.parametrize(
    'line',
    [
        b'1000000000000 00000000 []\n',
        b'9' * 5000 + b' 00000000 []\n',
        b'[' * 100_000 + b'\n',
        b'\xff\0' * 50,
        *(
            b'0 %08x ' % zlib.crc32(text) + text
            for text in (
                b'[{"img_path": "0.png", "stages": {"a": [1000000000000]}}]\n',
                b'[{"img_path": "0.png", "stages": {"a": [-1]}}]\n',
                b'[{"img_path": "0.png", "stages": 5}]\n',
                b'[{"predictions": 5}]\n',
                b'{"a": 5}\n',
                b'[' * 100_000 + b'\n',
            )
        ),
    ],
)
def test_lines_of_another_program(line, tmp_path):
    out, partial = tmp_path / 'x.csv', tmp_path / 'x.csv.partial'
    with pytest.raises(KeyboardInterrupt):
        resume(out, *CASES[0][1:], stop=2)
    partial.write_bytes(partial.read_bytes() + line)
    assert resume(out, *CASES[0][1:]) == 2


def run_once(out, names=NAMES, fails_after=None, overwrite=False, **changes):
    """Run in batches of one image; return how many had been done earlier."""
    results = PartialFile(out, {**RUN, **changes}, CASES[0][2], overwrite=overwrite)
    with results.resumed(names) as rest:
        earlier = results.done
        for i, name in enumerate(rest, earlier):
            if i == fails_after:
                raise WrnError('failed')
            results.add([Record(img_path=name, predictions=[])])
    assert results.done == len(names)
    return earlier


def test_a_failure_before_the_first_record_leaves_nothing(tmp_path):
    out = tmp_path / 'x.csv'
    with pytest.raises(WrnError, match='failed'):
        run_once(out, fails_after=0, model='mistaken')
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(WrnError, match='failed'):
        run_once(out, fails_after=3)
    with pytest.raises(WrnError, match='with different model; finish that'):
        run_once(out, model='other')
    with pytest.raises(WrnError, match=r'has the result of 0\.png where'):
        run_once(out, names=['x.png'])
    assert run_once(out) == 3


@pytest.mark.parametrize(
    ('names', 'changes', 'reason'),
    [
        (NAMES, dict(model='other'), 'from an interrupted run with different model'),
        (NAMES, dict(command='y', z=1), 'from an interrupted run with different command'),
        (['0.png', 'x.png'], {}, 'has the result of 1.png where the inputs now have x.png'),
    ],
)
def test_overwrite_replaces_the_records_of_another_run(names, changes, reason, tmp_path, caplog):
    out = tmp_path / 'x.csv'
    with pytest.raises(WrnError, match='failed'):
        run_once(out, fails_after=3)
    with caplog.at_level('INFO', 'wrn'):
        assert run_once(out, names, overwrite=True, **changes) == 0
    assert f'x.csv.partial: {reason}; it is replaced' in caplog.text
    lines = out.read_text().splitlines()[1:]
    assert [line.partition(',')[0] for line in lines] == names


def test_overwrite_leaves_what_is_not_of_a_run(tmp_path):
    (tmp_path / 'x.csv.partial').write_text('a download\n')
    with pytest.raises(WrnError, match='not from an interrupted run of this command'):
        run_once(tmp_path / 'x.csv', overwrite=True)
    assert (tmp_path / 'x.csv.partial').read_text() == 'a download\n'


def test_the_partial_file_stays_if_the_file_cannot_be_written(tmp_path):
    def broken(out, records):
        raise WrnError('full')

    with pytest.raises(WrnError, match='full'):
        resume(tmp_path / 'x.csv', of_predictions, broken)
    assert resume(tmp_path / 'x.csv', *CASES[0][1:]) == 7
    assert len((tmp_path / 'x.csv').read_text().splitlines()) == 8
