"""Tasks of the inference benchmarks: models, and files of their weights."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

ROOT = Path(__file__).parents[1]


class Model(NamedTuple):
    """A network that ours and the baselines have."""

    config: str
    pixels: int  # side length of its images
    multiply_adds: float  # per image, with direct convolutions
    blocks: int  # per stage, of CIFAR networks
    convolutions: tuple[tuple[int, int], ...]  # channels and side length of each stage


MODELS = {
    'wide-resnet50': Model(
        'configs/wrn/wide-resnet50_8xb32_in1k.py',
        224,
        11.42e9,
        0,
        ((128, 56), (256, 28), (512, 14), (1024, 7)),
    ),
    'wide-resnet28-10': Model(
        'configs/wrn/wide-resnet28-10_8xb16_cifar10.py',
        32,
        5.248e9,
        4,
        ((160, 32), (320, 16), (640, 8)),
    ),
    'digits': Model(
        'configs/wrn/wide-resnet16-2_1xb64_digits.py',
        16,
        25.4e6,
        2,
        ((32, 16), (64, 8), (128, 4)),
    ),
}


class Task(NamedTuple):
    """A model to build from the files in a folder, for a batch size."""

    model: str
    folder: Path
    batch_size: int

    @property
    def weights(self) -> Path:
        """The weights with the keys of torchvision and timm, or plain torch."""
        return self.folder / 'weights.pth'

    @property
    def openmmlab(self) -> Path:
        """The same weights with OpenMMLab's keys."""
        return self.folder / 'openmmlab.pth'

    @property
    def calibration(self) -> Path:
        """A folder of photographs."""
        return self.folder / 'calibration'

    def inputs(self) -> Tensor:
        """Return reproducible noise images, normalized, ``(N, 3, H, W)``."""
        pixels = MODELS[self.model].pixels
        generator = torch.Generator().manual_seed(0)
        return torch.randn(self.batch_size, 3, pixels, pixels, generator=generator)


def write_files(task: Task) -> None:
    """Write random weights, and images for calibration."""
    from images import write_images

    import wrn
    from wrn.checkpoints import to_openmmlab

    torch.manual_seed(0)
    network = plain_network(task)
    for module in network.modules():  # keeps signals in range, and gives each norm an effect
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.2, 0.6)
            module.bias.data.uniform_(-0.2, 0.2)
            module.get_buffer('running_mean').uniform_(-0.2, 0.2)
            module.get_buffer('running_var').uniform_(0.5, 1.5)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    weights = network.state_dict()
    torch.save(weights, task.weights)
    if task.model == 'wide-resnet50':
        torch.save(to_openmmlab(weights, 'torchvision').state_dict, task.openmmlab)
    else:  # the layers have the same order
        keys = wrn.get_model(ROOT / MODELS[task.model].config).state_dict()
        torch.save(dict(zip(keys, weights.values(), strict=True)), task.openmmlab)
    task.calibration.mkdir()
    write_images(task.calibration, 1, 20)


def plain_network(task: Task) -> nn.Module:
    """Build the baseline network, of torchvision or plain torch."""
    if task.model == 'wide-resnet50':
        import torchvision

        return torchvision.models.wide_resnet50_2()
    import cifar

    model = MODELS[task.model]
    return cifar.plain_network(model.blocks, model.convolutions)
