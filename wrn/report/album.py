"""Collect the images that a page shows, within a number of bytes."""

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from torch import Tensor

from wrn.data.images import is_red_first, prefetch
from wrn.inference.explanations import Explainer
from wrn.inference.heat_map import overlay
from wrn.report.content import ShownImage
from wrn.report.thumbnails import draw_sample, encode, resize
from wrn.training.evaluation.image_results import ImageResults
from wrn.training.hooks.record_images import RecordedTest
from wrn_base.errors import WrnError, one_line
from wrn_base.terminal import short_path

_MOST_BYTES = 8_500_000  # in base64; near-duplicates, and images that are shown twice, add to it
_LARGE, _SMALL = 160, 64  # pixels
_AHEAD = 32  # images to read ahead
_logger = logging.getLogger('wrn')


class Album:
    """The images of a test that a page shows, as the network sees them.

    Args:
        test: The test.
        results: Its results for each image.
        report: Receives the number of images that are done.

    Attributes:
        images: The images by their positions in the results.
        is_full: Whether an image was left out, since all together would be too large.
        unreadable: The number of images that could not be read again.
        without_heat: Why there are no heat maps. Empty if there are.
    """

    def __init__(
        self, test: RecordedTest, results: ImageResults, report: Callable[[int], None]
    ) -> None:
        self.images: dict[int, ShownImage] = {}
        self.is_full = False
        self.unreadable = 0
        self._test, self._results, self._report = test, results, report
        self.without_heat = ''
        try:
            self._explainer = Explainer(test.network)
        except WrnError as error:
            self.without_heat = str(error)
        self._red_first = is_red_first(test.pipeline)
        self._left = _MOST_BYTES
        self._workers = min(os.cpu_count() or 1, 4)

    def add(self, positions: Iterable[int], large: bool = False) -> list[int]:
        """Add images, as far as there is space.

        Args:
            positions: Their positions in the results.
            large: Whether they are for a gallery: larger, and with heat maps. Defaults to False.

        Returns:
            The positions of those that the page has.
        """
        wanted = [*dict.fromkeys(positions)]
        missing = [i for i in wanted if i not in self.images]
        found = prefetch(self._read, missing, self._workers, _AHEAD)
        for i, inputs in zip(missing, found, strict=False):
            if self.is_full:
                break
            self._add(i, inputs, large)
        return [i for i in wanted if i in self.images]

    @property
    def heat_layer(self) -> str:
        """The layer that the heat maps are of."""
        return self._explainer.layer or 'an unknown layer'

    def get_path(self, position: int) -> str:
        """Return the path of an image, or its number in a dataset without files."""
        index = int(self._results.indices[position])
        path = self._test.dataset.get_data_info(index).get('img_path')
        return short_path(path) if path else f'image {index}'

    def _read(self, position: int) -> Tensor | None:
        """Return an image as the pipeline gives it, ``(C, H, W)``. None if it is unreadable."""
        try:
            return self._test.dataset[int(self._results.indices[position])]['inputs']
        except Exception as error:  # it may be gone; a report is worth more than one image
            _logger.debug('%s: %r', position, error)
            return None

    def _add(self, i: int, inputs: Tensor | None, large: bool) -> None:
        if inputs is None:
            self.unreadable += 1
            return
        pixels = resize(draw_sample(inputs, self._red_first), _LARGE if large else _SMALL)
        raw = self._explain(i, inputs) if large else None
        drawn = None if raw is None else encode(overlay(pixels, raw))
        image = self._describe(i, encode(pixels), drawn)
        size = sum(4 * -(-len(part or b'') // 3) for part in (image.thumbnail, image.heat_map))
        self.is_full = size > self._left
        if not self.is_full:
            self._left -= size
            self.images[i] = image
            self._report(len(self.images))

    def _describe(self, i: int, thumbnail: bytes, heat_map: bytes | None) -> ShownImage:
        results = self._results
        pairs = zip(results.top_labels[i].tolist(), results.top_scores[i].tolist(), strict=True)
        label, loss = int(results.labels[i]), float(results.losses[i])
        return ShownImage(self.get_path(i), label, [*pairs], loss, thumbnail, heat_map)

    def _explain(self, i: int, inputs: Tensor) -> np.ndarray | None:
        """Return the raw map of the predicted class, ``(h, w)``."""
        if self.without_heat:
            return None
        network: Any = self._test.network
        try:
            normalized = network.data_preprocessor(dict(inputs=inputs[None]))['inputs']
            return self._explainer(normalized, self._results.top_labels[i, :1].tolist())[0]
        except Exception as error:  # of a network of any kind; the results are worth more
            self.without_heat = one_line(error)
            return None
