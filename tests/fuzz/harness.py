"""Run damaged inputs, each in a forked child of this process, with limits of time and memory.

This process has imported everything, and runs no threads of torch or OpenCV: a child would wait for
them forever. A target is a function. It writes an input into a folder, with a seeded random
generator, and returns the function to try. That one may return, or raise a ``WrnError`` or
``SystemExit`` with one line. Anything else is a fault.
"""

import contextlib
import faulthandler
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from wrn_base.errors import WrnError
from wrn_base.terminal import printable

Target = Callable[[Random, Path], Callable[[], object]]

FINE = ('done', 'refused')
SECONDS = 10.0
MEMORY = 1 << 30  # bytes above the idle process
_MUTATING = 120.0  # seconds, in which no child may hang unseen
# A refusal for want of memory has asked for more than the limit.
_OUT_OF_MEMORY = re.compile(
    r"can't allocate memory|Unable to allocate|MemoryError|bad_?alloc|out of memory|"
    r'Insufficient memory|Cannot allocate memory|[Mm]emory allocation|allocate \d+ bytes|'
    'more memory than there is',
)
_OUTCOME, _STDOUT, _STDERR = '.outcome', '.stdout', '.stderr'


class WrongResultError(Exception):
    """A damaged input was taken for a whole one."""


@dataclass
class Outcome:
    """What became of an input: one of FINE, or the kind of a fault; and where, or the message."""

    index: int
    kind: str
    text: str
    seconds: float


def fuzz(
    name: str,
    target: Target,
    indices: Iterable[int],
    seed: int = 0,
    keep: str | Path | None = None,
    jobs: int | None = None,
    seconds: float = SECONDS,
) -> list[Outcome]:
    """Try inputs of a target. Copy those with a fault to a folder, if one is given."""
    memory = _virtual_memory() + MEMORY
    # Other processes may slow this one down.
    seconds *= max(1, os.getloadavg()[0] / (os.cpu_count() or 1))
    outcomes, running = [], {}
    todo = iter(indices)
    with tempfile.TemporaryDirectory(prefix='wrn-fuzz-') as root:
        while True:
            while (
                len(running) < (jobs or os.cpu_count() or 1) and (i := next(todo, None)) is not None
            ):
                folder = Path(root, str(i))
                folder.mkdir()
                sys.stdout.flush()
                pid = os.fork()
                if pid == 0:
                    _child(target, Random(f'{seed} {name} {i}'), folder, seconds, memory)
                running[pid] = i, folder
            if not running:
                return sorted(outcomes, key=lambda outcome: outcome.index)
            pid, status = os.wait()
            index, folder = running.pop(pid)
            outcome = _judge(index, folder, status)
            if outcome.kind not in FINE and keep:
                shutil.copytree(folder, Path(keep, f'{name}-{seed}-{index}'), dirs_exist_ok=True)
            outcomes.append(outcome)
            shutil.rmtree(folder)


@contextlib.contextmanager
def silent_in_new_folder() -> Iterator[None]:
    """Run the block in an empty folder, without output."""
    before, outputs = Path.cwd(), (os.dup(1), os.dup(2))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with tempfile.TemporaryDirectory(prefix='wrn-fuzz-') as folder:
        try:
            os.chdir(folder)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            yield
        finally:
            sys.stdout.flush()
            for descriptor, output in zip((1, 2), outputs, strict=True):
                os.dup2(output, descriptor)
                os.close(output)
            os.close(nowhere)
            os.chdir(before)


def count_kinds(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Return how many inputs had each kind of outcome."""
    return Counter(outcome.kind for outcome in outcomes)


def _virtual_memory() -> int:
    return int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()


def _child(target: Target, rng: Random, folder: Path, seconds: float, memory: int) -> None:
    """Try an input, write the outcome, and exit."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _MUTATING)  # SIGALRM ends the process in any code
        os.chdir(folder)
        for descriptor, path in ((1, _STDOUT), (2, _STDERR)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
        run = target(rng, folder)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (memory, hard))
        faulthandler.enable(sys.__stderr__)
        faulthandler.dump_traceback_later(0.95 * seconds, file=sys.__stderr__)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        kind, text = _try(run)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        took = seconds - signal.setitimer(signal.ITIMER_REAL, 0)[0]
        Path(folder, _OUTCOME).write_text(json.dumps((kind, text, took)))
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _try(run: Callable[[], object]) -> tuple[str, str]:
    try:
        run()
    except SystemExit as error:
        if not isinstance(error.code, str):
            return ('refused' if error.code else 'done'), ''
        return 'refused', error.code
    except WrnError as error:
        return 'refused', str(error)
    except WrongResultError as error:
        return 'wrong result', str(error)
    except MemoryError as error:
        return 'memory', _where(error)
    except BaseException as error:
        traceback.print_exc()  # is kept with the input
        return 'traceback', _where(error)
    return 'done', ''


def _where(error: BaseException) -> str:
    """Return the exception, and the innermost line of this package that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if '/wrn/' in frame.filename] or frames
    place = f'{Path(ours[-1].filename).name}:{ours[-1].lineno}'
    text = ascii(str(error))
    return f'{type(error).__name__} at {place}: {text[:200]}'


def _judge(index: int, folder: Path, status: int) -> Outcome:
    outputs = [folder.joinpath(name).read_text(errors='replace') for name in (_STDOUT, _STDERR)]
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        kind = 'hang' if number == signal.SIGALRM else 'signal'
        places = re.findall(r'File ".*?/(wrn/[\w/]+\.py)", line (\d+)', outputs[1])
        place = f'{":".join(places[0])}' if places else ascii(outputs[1][-200:])
        return Outcome(index, kind, f'{signal.Signals(number).name} at {place}', 0)
    if status or not folder.joinpath(_OUTCOME).exists():
        return Outcome(index, 'broken', f'exit {status}: {outputs[1][-1000:]}', 0)
    kind, text, seconds = json.loads(folder.joinpath(_OUTCOME).read_text())
    if kind in FINE:
        # The command line escapes the names in an error, but an error must be one line by itself.
        error = text if '\n' in text else printable(text)
        lines = [error, *outputs[0].splitlines(), *outputs[1].splitlines()]
        if any('Traceback' in line for line in lines):
            kind = 'traceback'
        elif _OUT_OF_MEMORY.search(text):
            kind = 'memory'
        elif bad := [line for line in lines if not line.replace('\t', '').isprintable()]:
            kind, text = 'control character', ascii(bad[0])[:300]
    return Outcome(index, kind, text, seconds)
