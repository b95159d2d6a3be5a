"""A short training and a test in plain torch, the baselines of whole_job.py.

::

    python benchmarks/plain_torch.py train DIGITS OUT
    python benchmarks/plain_torch.py test IMAGES WEIGHTS OUT

The networks are the narrow ResNet-18 of that benchmark, built from torchvision's blocks, and
torchvision's wide_resnet50_2. Batches, steps and results are those of the other jobs.
"""

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models.resnet import BasicBlock

EPOCHS, WIDTH, CLASSES = 2, 16, 10


def narrow_resnet18() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False), nn.BatchNorm2d(WIDTH)]
    layers += [nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = WIDTH
    for stage in range(4):
        width = WIDTH * 2**stage
        for block in range(2):
            stride = 2 if stage and not block else 1
            shortcut = None
            if width != channels:
                convolution = nn.Conv2d(channels, width, 1, stride, bias=False)
                shortcut = nn.Sequential(convolution, nn.BatchNorm2d(width))
            layers.append(BasicBlock(channels, width, stride, shortcut))
            channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*layers)


@torch.no_grad()
def evaluate(network: nn.Module, loader: DataLoader[Any]) -> Tensor:
    """Print the accuracy and return the probabilities ``(N, CLASSES)``."""
    network.eval()
    scores, correct = [], 0
    for images, labels in loader:
        scores.append(network(images).softmax(1))
        correct += int((scores[-1].argmax(1) == labels).sum())
    print(f'accuracy/top1: {100 * correct / len(loader.dataset):.4f}')  # type: ignore[arg-type]
    return torch.cat(scores)


def train(data: Path, out: Path) -> None:
    torch.manual_seed(0)
    steps = [transforms.Resize((32, 32)), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
    train, val = (ImageFolder(data / s, transforms.Compose(steps)) for s in ('train', 'val'))
    train_loader, val_loader = DataLoader(train, 64, shuffle=True), DataLoader(val, 64)
    network = narrow_resnet18()
    optimizer = torch.optim.SGD(network.parameters(), 0.05, 0.9)
    out.mkdir(exist_ok=True)
    for epoch in range(1, EPOCHS + 1):
        network.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
        meta = dict(epoch=epoch, iter=epoch * len(train_loader))
        states = dict(state_dict=network.state_dict(), optimizer=optimizer.state_dict())
        torch.save(dict(**states, meta=meta), out / f'epoch_{epoch}.pth')
        evaluate(network, val_loader)


def test(data: Path, weights: Path, out: Path) -> None:
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    steps.append(transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    loader = DataLoader(ImageFolder(data, transforms.Compose(steps)), 32, num_workers=5)
    network = torchvision.models.wide_resnet50_2(num_classes=CLASSES)
    network.load_state_dict(torch.load(weights))
    out.write_bytes(pickle.dumps([dict(pred_score=s) for s in evaluate(network, loader)]))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('job', choices=['train', 'test'])
    parser.add_argument('paths', type=Path, nargs='+')
    args = parser.parse_args()
    jobs: dict[str, Callable[..., None]] = dict(train=train, test=test)
    jobs[args.job](*args.paths)
