"""Training throughput without data workers, and with various settings of one or two.

WRN-16-2 trains with one thread on 16x16 crops of JPEGs of 500x375 pixels, in batches of 32. Loading
an image takes half as long as training with it. Epochs are short, as in fine-tuning, so their start
counts. Prints medians of alternating rounds, and ratios to the default, ``1 worker``::

    python benchmarks/data_loading.py --rounds 7
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from images import write_images
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.data import DataLoader

import wrn

EPOCHS = 3  # after one for warm-up
SETTINGS: dict[str, dict[str, Any]] = {
    'no worker': dict(num_workers=0),
    '1 worker': {},
    '1 worker, not persistent': dict(persistent_workers=False),
    '1 worker, prefetch_factor=1': dict(prefetch_factor=1),
    '1 worker, prefetch_factor=4': dict(prefetch_factor=4),
    '2 workers': dict(num_workers=2),
}
DEFAULT = '1 worker'


def make_loader(folder: Path, settings: dict[str, Any]) -> DataLoader[Any]:
    loader = dict(num_workers=1, persistent_workers=True) | settings
    if not loader['num_workers']:
        loader['persistent_workers'] = False
    pipeline = [
        dict(type='LoadRandomResizedCrop', scale=16),
        dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='PackInputs'),
    ]
    dataset = dict(type='CustomDataset', data_root=str(folder), pipeline=pipeline)
    sampler = dict(type='DefaultSampler', shuffle=True)
    return Runner.build_dataloader(dict(batch_size=32, dataset=dataset, sampler=sampler, **loader))


def time_epochs(model: BaseModel, loader: DataLoader[Any]) -> float:
    """Return the images per second of the epochs after the first."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, start = 0, 0.0
    for epoch in range(EPOCHS + 1):
        if epoch == 1:
            start = time.perf_counter()
        for batch in loader:
            data = model.data_preprocessor(batch, training=True)
            loss = model(**data, mode='loss')['loss']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            images += len(data['inputs']) if epoch else 0
    speed = images / (time.perf_counter() - start)
    loader._iterator = None  # stops persistent workers
    return speed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--images', type=int, default=256)
    args = parser.parse_args()
    init_default_scope('mmpretrain')
    torch.set_num_threads(1)
    model = wrn.get_model('wide-resnet16-2_1xb64_digits', pretrained=False).train()
    results: dict[str, list[float]] = {name: [] for name in SETTINGS}
    with tempfile.TemporaryDirectory() as name:
        for label in range(2):
            (Path(name) / str(label)).mkdir()
        for i, path in enumerate(write_images(Path(name), 1, args.images)):
            path.rename(Path(name) / str(i % 2) / path.name)
        turns = list(SETTINGS.items()) * args.rounds
        console = Console(stderr=True)
        for setting, settings in track(turns, 'Training', console=console, transient=True):
            results[setting].append(time_epochs(model, make_loader(Path(name), settings)))
    table = Table(title=f'epochs of {args.images} JPEGs, medians of {args.rounds}', box=None)
    for column in ('', 'images/s', 'to default', 'least to most'):
        table.add_column(column, justify='right' if column else 'left', no_wrap=True)
    for setting, speeds in results.items():
        ratios = sorted(a / b for a, b in zip(speeds, results[DEFAULT], strict=True))
        table.add_row(
            setting,
            f'{statistics.median(speeds):.0f}',
            f'{statistics.median(ratios):.2f}',
            f'{ratios[0]:.2f} to {ratios[-1]:.2f}',
        )
    Console(width=120).print(table)


if __name__ == '__main__':
    main()
