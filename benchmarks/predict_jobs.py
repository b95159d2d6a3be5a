"""``wrn predict`` and mmpretrain's inferencer as whole processes."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tasks import MODELS, ROOT, Task

NAME = 'wide-resnet50_3rdparty_8xb32_in1k'  # here and in mmpretrain
DIGITS = 'wide-resnet16-2_1xb64_digits'
INFERENCER = """
import csv, sys
from pathlib import Path
model, weights, inputs, batch_size, out = sys.argv[1:]
if model.endswith('.py'):
    import wrn  # registers the network
from mmpretrain import ImageClassificationInferencer
inferencer = ImageClassificationInferencer(model, pretrained=weights)
inputs = Path(inputs)
files = sorted(map(str, inputs.iterdir())) if inputs.is_dir() else [str(inputs)]
with open(out, 'w') as file:
    for path, result in zip(files, inferencer(files, batch_size=int(batch_size))):
        csv.writer(file).writerow([path, result['pred_label'], result['pred_score']])
"""
Options = tuple[str | Path, ...]  # of `wrn predict`


class JobError(Exception):
    """A process failed; the message is the end of its output."""


class Job(NamedTuple):
    """A model, from the files of a task, and an image or a folder of images."""

    task: Task
    inputs: Path

    def ours(self, out: Path, options: Options) -> list[str | Path]:
        """Return the command of ``wrn predict``."""
        name = NAME if self.task.model == 'wide-resnet50' else DIGITS
        command: list[str | Path] = ['-m', 'wrn', 'predict', self.inputs, '--model', name]
        command += ['--checkpoint', self.task.openmmlab, '--batch-size', str(self.task.batch_size)]
        return [*command, '--device', 'cpu', '--out', out, *options]

    def mmpretrain(self, out: Path) -> list[str | Path]:
        """Return the command of mmpretrain's inferencer."""
        config = ROOT / MODELS[self.task.model].config
        model: str | Path = NAME if self.task.model == 'wide-resnet50' else config
        size = str(self.task.batch_size)
        return ['-c', INFERENCER, model, self.task.openmmlab, self.inputs, size, out]


def run(job: Job, options: Options | None) -> dict[str, float]:
    """Run ``wrn predict``, or mmpretrain if there are no options; return seconds and peak MiB."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, 'results.csv')
        command = job.mmpretrain(out) if options is None else job.ours(out, options)
        with open(Path(folder, 'log'), 'w+') as log:
            start = time.perf_counter()
            words = [sys.executable, *map(str, command)]
            process = subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT)
            peak = 0.0
            while process.poll() is None:
                peak = max(peak, peak_memory(process.pid))
                time.sleep(0.01)
            seconds = time.perf_counter() - start
            log.seek(0)
            if process.returncode:
                raise JobError(log.read()[-2000:].strip())
    return dict(seconds=seconds, peak=peak)


def peak_memory(pid: int) -> float:
    """Return the peak memory of a running process in MiB."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:  # it has ended
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith('VmHWM:')]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0
