"""Find defects on a fabric, having seen whole ones only, as PatchCore does.

`Towards Total Recall in Industrial Anomaly Detection <https://arxiv.org/abs/2106.08265>`_: what a
network computes of the patches of good pictures is kept, thinned out, and how far a patch of a new
picture is from the nearest of them says how anomalous it is. The example draws its pictures.
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

SIZE = 256  # pixels; of these the network sees the 224 in the middle
SEEN = slice(16, 240)
GOOD, TESTED = 16, 16  # pictures to learn from; and those to test on, of which half are good
KEPT = 400  # patches of the good pictures


def weave(rng: np.random.Generator) -> Image.Image:
    """Draw a fabric: threads of 8 pixels across threads, a little wavy and noisy."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    (a, b), (c, d) = rng.uniform(0, 2 * np.pi, (2, 2))
    across = SIZE * x + 8 * np.sin(5 * y + a) + 4 * np.sin(7 * x + b)
    along = SIZE * y + 8 * np.sin(5 * x + c) + 4 * np.sin(7 * y + d)
    seen = np.where((across // 8 + along // 8) % 2, across, along)  # of two threads the upper one
    light = np.sin(np.pi * (seen % 8) / 8)[..., None]
    pixels = 60 + (150, 130, 100) * light + rng.normal(0, 8, (SIZE, SIZE, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def damage(fabric: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, np.ndarray]:
    """Wear off and soil a line or a spot of a fabric; return it and the mask."""
    mask = Image.new('1', fabric.size)
    (x, y), angle = rng.uniform(70, SIZE - 70, 2), rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        dx, dy = 40 * np.cos(angle), 40 * np.sin(angle)
        ImageDraw.Draw(mask).line((x - dx, y - dy, x + dx, y + dy), fill=1, width=8)
    else:
        width, height = rng.uniform(14, 28, 2)
        ImageDraw.Draw(mask).ellipse((x - width, y - height, x + width, y + height), fill=1)
    worn = fabric.filter(ImageFilter.GaussianBlur(3)).point(lambda value: 0.7 * value)
    return Image.composite(worn, fabric, mask), np.asarray(mask)[SEEN, SEEN]


def patches(model: torch.nn.Module, pictures: Sequence[Image.Image]) -> np.ndarray:
    """Describe each place of the pictures by both stages, averaged around it: (N, H, W, C)."""
    features = wrn.extract_features(model, pictures, ('layer2', 'layer3'), batch_size=4)
    maps = [functional.avg_pool2d(torch.from_numpy(m), 3, 1, 1) for m in features.values()]
    size = maps[0].shape[2:]
    maps = [functional.interpolate(m, size, mode='bilinear') for m in maps]
    return torch.cat(maps, 1).permute(0, 2, 3, 1).numpy()


def coreset(features: np.ndarray, number: int) -> np.ndarray:
    """Choose features that leave none of the others far from all of them (greedy k-center)."""
    projected = SparseRandomProjection(128, random_state=0).fit_transform(features)
    chosen, distances = [0], np.full(len(features), np.inf)
    for _ in range(number - 1):
        to_last = np.linalg.norm(projected - projected[chosen[-1]], axis=1)
        distances = np.minimum(distances, to_last)
        chosen.append(int(distances.argmax()))
    return features[chosen]


def draw(pictures: Sequence[Image.Image], maps: np.ndarray, masks: np.ndarray, out: str) -> None:
    """Draw pictures, what was found in them, and what is in them, one below the other."""
    figure = Figure(figsize=(1.6 * len(pictures) + 0.4, 5), layout='constrained')
    axes = figure.subplots(3, len(pictures), squeeze=False)
    for column, picture, found, mask in zip(axes.T, pictures, maps, masks, strict=True):
        column[0].imshow(np.asarray(picture)[SEEN, SEEN])
        column[1].imshow(found, cmap='inferno', vmin=maps.min(), vmax=maps.max())
        column[2].imshow(mask, cmap='gray')
    for row, title in zip(axes, ('picture', 'anomaly', 'defect'), strict=True):
        row[0].set_ylabel(title)
        for axis in row:
            axis.set(xticks=(), yticks=())
    figure.savefig(out, dpi=80)


def main(argv: Sequence[str] | None = None) -> tuple[float, float]:
    """Run the example; return the AUROC of pictures and that of pixels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--model',
        default='wide-resnet50_3rdparty_8xb32_in1k',
        help="one for ImageNet (default: wide-resnet50 with torchvision's first weights)",
    )
    parser.add_argument('--checkpoint', help="weights (default: the model's own)")
    parser.add_argument('--out', default='anomaly_detection.png', help='figure to draw')
    args = parser.parse_args(argv)

    rng = np.random.default_rng(0)
    model = wrn.get_model(args.model, args.checkpoint or True)
    good = patches(model, [weave(rng) for _ in range(GOOD)])
    memory = coreset(good.reshape(-1, good.shape[-1]), KEPT)

    whole = [weave(rng) for _ in range(TESTED // 2)]
    damaged, masks = zip(*(damage(weave(rng), rng) for _ in range(TESTED // 2)), strict=True)
    truth = np.concatenate([np.zeros_like(masks), masks])
    tested = patches(model, [*whole, *damaged])
    distances, _ = (
        NearestNeighbors(n_neighbors=1).fit(memory).kneighbors(tested.reshape(-1, tested.shape[-1]))
    )
    maps = functional.interpolate(
        torch.from_numpy(distances).reshape(len(tested), 1, *tested.shape[1:3]),
        truth.shape[1:],
        mode='bilinear',
    )[:, 0].numpy()
    of_pictures = roc_auc_score(truth.any((1, 2)), maps.max((1, 2)))
    of_pixels = roc_auc_score(truth.ravel(), maps.ravel())
    print(f'AUROC of pictures {of_pictures:.3f}, of pixels {of_pixels:.3f}')
    shown = slice(len(whole) - 1, len(whole) + 6)  # a good one, and six that are not
    draw([*whole, *damaged][shown], maps[shown], truth[shown], args.out)
    return of_pictures, of_pixels


if __name__ == '__main__':
    main()
