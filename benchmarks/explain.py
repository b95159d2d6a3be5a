"""Time of heat maps compared with that of the prediction of the same images.

::

    python benchmarks/explain.py

The network is wide-resnet50 at 224 pixels with random weights. The candidates alternate in one
process, and the times are the fastest of all rounds.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from cifar import timed
from machine import describe_machine
from rich.console import Console
from rich.progress import track
from rich.table import Table

import wrn
from wrn.inference.explained_images import ExplainedClass
from wrn.inference.explanations import Explainer
from wrn.inference.heat_map import overlay
from wrn.jobs.class_sheet import draw_sheet

NETWORK, PIXELS, CLASSES = 'wide-resnet50', 224, 5
PREDICTION, SHEET = 'prediction', f'sheet of {CLASSES} classes'


def make_candidates(batch_size: int) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    model = wrn.get_model(f'{NETWORK}_8xb32_in1k').eval()
    images = torch.randn(batch_size, 3, PIXELS, PIXELS)
    one, several = [0] * batch_size, [[*range(CLASSES)]] * batch_size

    @torch.inference_mode()
    def predict() -> None:
        model(images)

    def explain(method: str, layer: str | None = None) -> Callable[[], object]:
        explainer = Explainer(model, method, layer)
        return lambda: explainer(images, one)

    gradcam = Explainer(model)
    pixels = np.random.default_rng(0).integers(0, 256, (PIXELS, PIXELS, 3), np.uint8)
    raw_map = gradcam(images, one)[0]
    drawn = ExplainedClass(
        pred_label=0, pred_score=0.5, raw_map=raw_map, overlay=overlay(pixels, raw_map),
        is_blank=False,
    )  # fmt: skip
    return {
        PREDICTION: predict,
        'Grad-CAM': lambda: gradcam(images, one),
        f'Grad-CAM, {CLASSES} classes': lambda: gradcam(images, several),
        'Grad-CAM at layer1': explain('gradcam', 'layer1'),
        'HiResCAM': explain('hirescam'),
        'EigenCAM': explain('eigencam'),
        SHEET: lambda: [draw_sheet(pixels, [drawn] * CLASSES) for _ in range(batch_size)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    candidates = make_candidates(args.batch_size)
    for run in candidates.values():
        run()
    times = {name: float('inf') for name in candidates}
    console = Console(stderr=True)
    for number in track(range(args.rounds), 'Measuring', console=console, transient=True):
        for name in [*candidates][:: 1 if number % 2 else -1]:  # alternate the direction
            times[name] = min(times[name], timed(candidates[name]))
    print(describe_machine())
    title = f'{NETWORK}, batches of {args.batch_size}, fastest of {args.rounds}'
    table = Table(title=title, box=None)
    for column in ('', 'seconds an image', 'to prediction'):
        table.add_column(column, justify='right' if column else 'left', no_wrap=True)
    for name, seconds in times.items():
        ratio = seconds / times[PREDICTION]
        table.add_row(name, f'{seconds / args.batch_size:.3f}', f'{ratio:.2f}')
    Console(width=80).print(table)


if __name__ == '__main__':
    main()
