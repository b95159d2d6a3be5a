"""Run the command line in a process of its own, without importing torch again."""

import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Each command is a fork of a process that has only imported these modules. (pytest is the main
# module, which multiprocessing imports.) The last ones are those of a report; what is missing is left
# out.
CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(
    [
        'pytest', 'wrn.cli', 'wrn.jobs.finetune', 'mmpretrain.models',
        'imagehash', 'jinja2', 'matplotlib.figure', 'pytorch_grad_cam', 'sklearn.manifold',
    ]
)  # fmt: skip


def start_wrn(
    arguments: list[str], outputs: tuple[Path, Path], cwd: Any = None
) -> multiprocessing.process.BaseProcess:
    """Start ``wrn`` and return its process. ``outputs`` are the files for stdout and stderr."""
    args = (arguments, outputs, str(cwd or os.getcwd()), dict(os.environ))
    process = CONTEXT.Process(target=_main, args=args)
    process.start()
    return process


def wait_for(
    happens: Callable[[], bool], alive: Callable[[], bool] = lambda: True, seconds: float = 120
) -> None:
    """Wait until a condition is met or a process has ended."""
    deadline = time.monotonic() + seconds
    while not happens() and alive():
        assert time.monotonic() < deadline, f'not within {seconds:g} s'
        time.sleep(0.0005)


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def find_rank(run: Callable[..., subprocess.CompletedProcess[str]], rank: int, command: str) -> int:
    """Return the process id of a rank, given a pattern of its command line."""
    found = run('pgrep', '-f', command).stdout.split()
    mark = f'LOCAL_RANK={rank}'.encode()
    pids = []
    for pid in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if mark in Path('/proc', pid, 'environ').read_bytes():
                pids.append(int(pid))
    return min(pids)  # data workers have higher ids


def run_wrn(
    arguments: list[str], timeout: float, cwd: Any = None
) -> subprocess.CompletedProcess[str]:
    """Run ``wrn`` and return the completed process with its output as text."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = (Path(folder, 'stdout'), Path(folder, 'stderr'))
        process = start_wrn(arguments, outputs, cwd)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout)
        texts = [path.read_text() for path in outputs]
        return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def make_config(*words: str) -> Any:
    """Return the config that ``wrn train`` or ``wrn test`` makes of its arguments."""
    from wrn.cli.arguments import pick
    from wrn.cli.settings import parse_settings
    from wrn.jobs import test, train
    from wrn.jobs.run_options import TrainOptions
    from wrn_base.parser import parse_args

    args = parse_args(words)
    args.cfg_options = parse_settings(args.cfg_options)
    if args.command == 'train':
        return train.make_train_config(args.config, pick(args, TrainOptions))
    return test.make_config(args.model, args.checkpoint, pick(args, test.EvaluationOptions))


def _main(
    arguments: list[str], outputs: tuple[Path, Path], cwd: str, environment: dict[str, str]
) -> None:
    for path, stream in zip(outputs, (sys.stdout, sys.stderr), strict=True):
        with path.open('w') as file:
            os.dup2(file.fileno(), stream.fileno())
    run_main(arguments, cwd, environment)


def run_main(arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    """Run ``wrn`` in this process, which is then at an end."""
    from wrn_base.cli import main

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    main(arguments)
