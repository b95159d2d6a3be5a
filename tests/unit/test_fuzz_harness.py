"""The fuzzer finds each kind of fault. It runs in its own process, which has no threads to fork."""

import json

import pytest

SCRIPT = """
import ctypes, json, sys, threading, time
sys.path.insert(0, sys.argv[1])
from harness import WrongResultError, fuzz
from wrn_base.errors import WrnError

def raises(error):
    raise error

def exhaust():
    try:
        bytearray(2 << 30)
    except MemoryError:
        raise WrnError('x.pth: cannot be read (MemoryError)') from None

INPUTS = [
    lambda: None,
    lambda: raises(WrnError('x.pth: damaged; copy it again')),
    lambda: sys.exit('wrn: error: x.pth: damaged; copy it again'),
    lambda: raises(KeyError('x')),
    lambda: print('Traceback (most recent call last):'),
    lambda: ctypes.string_at(0),
    lambda: time.sleep(60),
    lambda: bytearray(2 << 30),
    exhaust,
    lambda: sys.exit('two\\nlines'),
    lambda: print('\\x1b[2J'),
    lambda: raises(WrongResultError('x')),
    lambda: bytearray(500 << 20),
]

def target(rng, folder):
    folder.joinpath('x.pth').write_text(str(rng.random()))
    return INPUTS[int(folder.name)]

print(json.dumps([o.kind for o in fuzz('x', target, range(len(INPUTS)), keep=sys.argv[2], seconds=2)]))
"""


@pytest.fixture
def outcomes(run, checkout, tmp_path):
    printed = run('python', '-c', SCRIPT, checkout / 'tests' / 'fuzz', tmp_path).stdout
    return json.loads(printed.splitlines()[-1])  # mmpretrain's fork prints a line on import


def test_each_kind_of_outcome(outcomes, tmp_path):
    assert outcomes == [
        *('done', 'refused', 'refused', 'traceback', 'traceback', 'signal', 'hang', 'memory'),
        *('memory', 'control character', 'control character', 'wrong result', 'done'),
    ]
    # The inputs with a fault are kept, and each is another one.
    kept = sorted(tmp_path.glob('x-0-*/x.pth'))
    assert len(kept) == 9
    assert len({path.read_text() for path in kept}) == 9
