"""Detect defects in fabric with PatchCore, trained on defect-free images only.

`Towards Total Recall in Industrial Anomaly Detection <https://arxiv.org/abs/2106.08265>`_: a
coreset of the patch features of good images is the memory. The anomaly score of a patch is the
distance of its features to the nearest in the memory. The example draws its own images.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFilter
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.random_projection import SparseRandomProjection
from torch.nn import functional

import wrn

SIZE = 256  # pixels
CENTER = slice(16, 240)  # the network's center crop of 224 pixels
TRAIN_IMAGES, TEST_IMAGES = 16, 16  # half of the test images are good
MEMORY_SIZE = 400  # patches


def weave(rng: np.random.Generator) -> Image.Image:
    """Draw a fabric: woven threads of 8 pixels, slightly wavy and noisy."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    (a, b), (c, d) = rng.uniform(0, 2 * np.pi, (2, 2))
    across = SIZE * x + 8 * np.sin(5 * y + a) + 4 * np.sin(7 * x + b)
    along = SIZE * y + 8 * np.sin(5 * x + c) + 4 * np.sin(7 * y + d)
    upper = np.where((across // 8 + along // 8) % 2, across, along)  # the thread on top
    light = np.sin(np.pi * (upper % 8) / 8)[..., None]
    pixels = 60 + (150, 130, 100) * light + rng.normal(0, 8, (SIZE, SIZE, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def damage(fabric: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, np.ndarray]:
    """Blur and darken a line or a spot of a fabric; return the image and the mask."""
    mask = Image.new('1', fabric.size)
    (x, y), angle = rng.uniform(70, SIZE - 70, 2), rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        dx, dy = 40 * np.cos(angle), 40 * np.sin(angle)
        ImageDraw.Draw(mask).line((x - dx, y - dy, x + dx, y + dy), fill=1, width=8)
    else:
        width, height = rng.uniform(14, 28, 2)
        ImageDraw.Draw(mask).ellipse((x - width, y - height, x + width, y + height), fill=1)
    worn = fabric.filter(ImageFilter.GaussianBlur(3)).point(lambda value: 0.7 * value)
    return Image.composite(worn, fabric, mask), np.asarray(mask)[CENTER, CENTER]


def extract_patches(model: torch.nn.Module, images: Sequence[Image.Image]) -> np.ndarray:
    """Return locally averaged features of both stages, ``(N, H, W, C)``."""
    features = wrn.extract_features(model, images, ('layer2', 'layer3'), batch_size=4)
    maps = [functional.avg_pool2d(torch.from_numpy(m), 3, 1, 1) for m in features.values()]
    size = maps[0].shape[2:]
    maps = [functional.interpolate(m, size, mode='bilinear') for m in maps]
    return torch.cat(maps, 1).permute(0, 2, 3, 1).numpy()


def choose_coreset(features: np.ndarray, number: int) -> np.ndarray:
    """Choose features by greedy k-center."""
    projected = SparseRandomProjection(128, random_state=0).fit_transform(features)
    chosen, distances = [0], np.full(len(features), np.inf)
    for _ in range(number - 1):
        to_last = np.linalg.norm(projected - projected[chosen[-1]], axis=1)
        distances = np.minimum(distances, to_last)
        chosen.append(int(distances.argmax()))
    return features[chosen]


def draw(images: Sequence[Image.Image], maps: np.ndarray, masks: np.ndarray, out: str) -> None:
    """Draw images, anomaly maps and defects in rows."""
    figure = Figure(figsize=(1.6 * len(images) + 0.4, 5), layout='constrained')
    axes = figure.subplots(3, len(images), squeeze=False)
    for column, image, anomaly_map, mask in zip(axes.T, images, maps, masks, strict=True):
        column[0].imshow(np.asarray(image)[CENTER, CENTER])
        column[1].imshow(anomaly_map, cmap='inferno', vmin=maps.min(), vmax=maps.max())
        column[2].imshow(mask, cmap='gray')
    for row, title in zip(axes, ('image', 'anomaly', 'defect'), strict=True):
        row[0].set_ylabel(title)
        for axis in row:
            axis.set(xticks=(), yticks=())
    figure.savefig(out, dpi=80)


def main(argv: Sequence[str] | None = None) -> tuple[float, float]:
    """Run the example; return the AUROC of images and of pixels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--model',
        default='wide-resnet50_3rdparty_8xb32_in1k',
        help="an ImageNet model (default: wide-resnet50 with torchvision's first weights)",
    )
    parser.add_argument('--checkpoint', help="weights (default: the model's own)")
    parser.add_argument('--out', default='anomaly_detection.png', help='figure to draw')
    args = parser.parse_args(argv)

    rng = np.random.default_rng(0)
    model = wrn.get_model(args.model, args.checkpoint or True)
    train = extract_patches(model, [weave(rng) for _ in range(TRAIN_IMAGES)])
    memory = choose_coreset(train.reshape(-1, train.shape[-1]), MEMORY_SIZE)

    good = [weave(rng) for _ in range(TEST_IMAGES // 2)]
    damaged, masks = zip(*(damage(weave(rng), rng) for _ in range(TEST_IMAGES // 2)), strict=True)
    ground_truth = np.concatenate([np.zeros_like(masks), masks])
    test = extract_patches(model, [*good, *damaged])
    distances, _ = (
        NearestNeighbors(n_neighbors=1).fit(memory).kneighbors(test.reshape(-1, test.shape[-1]))
    )
    maps = functional.interpolate(
        torch.from_numpy(distances).reshape(len(test), 1, *test.shape[1:3]),
        ground_truth.shape[1:],
        mode='bilinear',
    )[:, 0].numpy()
    image_auroc = roc_auc_score(ground_truth.any((1, 2)), maps.max((1, 2)))
    pixel_auroc = roc_auc_score(ground_truth.ravel(), maps.ravel())
    print(f'AUROC of images {image_auroc:.3f}, of pixels {pixel_auroc:.3f}')
    shown = slice(len(good) - 1, len(good) + 6)  # one good and six damaged images
    draw([*good, *damaged][shown], maps[shown], ground_truth[shown], args.out)
    return image_auroc, pixel_auroc


if __name__ == '__main__':
    main()
