"""Collect the images that a page shows, within a number of bytes."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from wrn.data.images import prefetch
from wrn.inference.explanations import MODULES, Explainer
from wrn.inference.heat_map import overlay
from wrn.report.content import NearGroup, ShownImage
from wrn.report.image_cards import embed
from wrn.report.thumbnails import choose_view, draw_sample, encode, resize
from wrn.training.evaluation.image_results import ImageResults
from wrn.training.hooks.record_images import RecordedTest
from wrn.utils.packages import missing_packages
from wrn_base.errors import WrnError, one_line
from wrn_base.terminal import short_path

_MOST_BYTES = 10_000_000  # of all images of a page, as it has them
_LARGE, _SMALL = 160, 64  # pixels
_AHEAD = 32  # images to read ahead
_logger = logging.getLogger('wrn')


class Album:
    """The images of a test that a page shows, as the network sees them.

    Args:
        test: The test.
        results: Its results for each image.
        report: Receives the number of images that are done.
        thumbnails: Whether to draw the images. If not, none is read, and their thumbnails are
            empty.
        near: The near-duplicates on the page, which has its own thumbnails of them.

    Attributes:
        images: The images by their positions in the results.
        is_full: Whether an image was left out, since all together would be too large.
        unreadable: The number of images that could not be read again.
        without_heat: Why there are no heat maps, or no more. Empty if nothing failed.
    """

    def __init__(
        self,
        test: RecordedTest,
        results: ImageResults,
        report: Callable[[int], None],
        thumbnails: bool,
        near: Sequence[NearGroup],
    ) -> None:
        self.images: dict[int, ShownImage] = {}
        self.is_full = False
        self.unreadable = 0
        self._test, self._results, self._report = test, results, report
        self.without_heat = ''
        self._explainer: Explainer | None = None
        self._thumbnails = thumbnails
        if thumbnails:
            self.without_heat = missing_packages(*MODULES, extra='report') or ''
        if thumbnails and not self.without_heat:
            self._make_explainer()
        others = (image.thumbnail for group in near for image in group.images)
        self._left = _MOST_BYTES - _measure(*others)
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
        if not self._thumbnails:
            self.images |= {i: self._describe(i, b'', None) for i in missing}
            return wanted
        if large:  # the page has an image of two galleries twice
            shown = (self.images[i] for i in wanted if i in self.images)
            self._left -= sum(_measure(image.thumbnail, image.heat_map) for image in shown)
        found = prefetch(self._read, missing, self._workers, _AHEAD)
        for i, sample in zip(missing, found, strict=False):
            if self.is_full:
                break
            if sample is None:
                self.unreadable += 1
            else:
                self._add(i, *sample, large)
        return [i for i in wanted if i in self.images]

    @property
    def heat_layer(self) -> str | None:
        """The layer that the heat maps are of; None if there are none."""
        drawn = any(image.heat_map for image in self.images.values())
        return self._explainer.layer if self._explainer and drawn else None

    def get_path(self, position: int) -> str:
        """Return the path of an image, or its number in a dataset without files."""
        index = int(self._results.indices[position])
        path = None
        with contextlib.suppress(Exception):  # of a dataset of any kind
            path = self._test.dataset.get_data_info(index).get('img_path')
        return short_path(path) if isinstance(path, str) else f'image {index}'

    def _read(self, position: int) -> tuple[Tensor, np.ndarray] | None:
        """Return an image as the pipeline gives it, ``(C, H, W)``, and its pixels.

        None if it is unreadable, or no image.
        """
        try:
            sample = self._test.dataset[int(self._results.indices[position])]
            inputs = choose_view(sample)
            return inputs, draw_sample(inputs, self._test.red_first)
        except Exception as error:  # it may be gone; a report is worth more than one image
            _logger.debug('%s: %r', position, error)
            return None

    def _add(self, i: int, inputs: Tensor, pixels: np.ndarray, large: bool) -> None:
        pixels = resize(pixels, _LARGE if large else _SMALL)
        raw = self._explain(i, inputs) if large else None
        drawn = None if raw is None else encode(overlay(pixels, raw))
        image = self._describe(i, encode(pixels), drawn)
        size = _measure(image.thumbnail, image.heat_map)
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

    def _make_explainer(self) -> None:
        try:
            self._explainer = Explainer(self._test.network)
        except Exception as error:  # of a network of any kind
            self._leave_out_heat(error)

    def _explain(self, i: int, inputs: Tensor) -> np.ndarray | None:
        """Return the raw map of the predicted class, ``(h, w)``."""
        if self.without_heat or not self._explainer:
            return None
        network: Any = self._test.network
        try:
            normalized = network.data_preprocessor(dict(inputs=inputs[None]))['inputs']
            return self._explainer(normalized, self._results.top_labels[i, :1].tolist())[0]
        except Exception as error:  # the results are worth more
            self._leave_out_heat(error)
            return None

    def _leave_out_heat(self, error: Exception) -> None:
        self.without_heat = one_line(error)
        if not isinstance(error, WrnError):  # which says what cannot be, such as of an engine
            _logger.warning('heat maps: failed: %s', self.without_heat)
            _logger.debug('the traceback of this failure:', exc_info=error)


def _measure(*jpegs: bytes | None) -> int:
    """Return the number of bytes that images take on the page."""
    return sum(len(embed(jpeg)) for jpeg in jpegs if jpeg)
