"""What the page says beside an image."""

import base64
from dataclasses import dataclass
from typing import Any

from wrn.report.content import Content, ShownImage
from wrn.report.number_text import format_loss
from wrn_base.names import visible
from wrn_base.percent import format_percent
from wrn_base.terminal import printable


@dataclass(frozen=True)
class Guess:
    """A predicted class: its index, its probability with the unit, and in whole percent."""

    label: int
    percent: str
    width: int


@dataclass(frozen=True)
class Card:
    """An image with what the page says about it.

    Attributes:
        path: Its path.
        label: The index of the true class.
        guesses: The best predictions.
        wrong: Whether the first of them is wrong.
        loss: The loss, from :func:`format_loss`.
        thumbnail: The thumbnail as a ``data:`` URL.
        heat_map: The heat map as a ``data:`` URL; empty if there is none.
    """

    path: str
    label: int
    guesses: list[Guess]
    wrong: bool
    loss: str
    thumbnail: str
    heat_map: str


def make_card(image: ShownImage) -> Card:
    """Make the card of an image."""
    label = int(image.label)
    guesses = [
        Guess(int(guess), format_percent(100 * share), round(100 * share) if share > 0 else 0)
        for guess, share in image.predictions
    ]
    return Card(
        path=printable(image.path),
        label=label,
        guesses=guesses,
        wrong=not guesses or guesses[0].label != label,
        loss=format_loss(image.loss),
        thumbnail=embed(image.thumbnail),
        heat_map=embed(image.heat_map) if image.heat_map else '',
    )


def embed(jpeg: bytes) -> str:
    """Return a JPEG as a ``data:`` URL."""
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'


def make_data(content: Content, cards: dict[int, Card], inlined: set[int]) -> dict[str, Any]:
    """Return what the script of the page needs, for JSON.

    Args:
        content: The content of the page.
        cards: The cards by the keys of their images.
        inlined: The keys of the images that the page shows without the script. The script takes
            them from there, so that each image is in the file once.
    """
    images = {
        str(key): {
            'path': card.path,
            'label': card.label,
            'guesses': [[g.label, g.percent, g.width] for g in card.guesses],
            'wrong': card.wrong,
            'loss': card.loss,
            'thumbnail': '' if key in inlined else card.thumbnail,
            'heat': '' if key in inlined else card.heat_map,
        }
        for key, card in cards.items()
    }
    cells = {
        f'{true}-{predicted}': [int(key) for key in keys if key in cards]
        for (true, predicted), keys in content.cells.items()
    }
    classes = [visible(metrics.name) for metrics in content.report.classes]
    return {'classes': classes, 'images': images, 'cells': cells}
