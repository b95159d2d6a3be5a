"""Decode and preprocess the images of requests, in threads."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from wrn.app.image_uploads import decoded_pixels
from wrn.data.images import EncodedImage
from wrn.data.images.decoding import ValueRangeError
from wrn.data.images.header import Header
from wrn.data.images.png import PixelDataError, check_pixel_data
from wrn.inference.predictor import Predictor
from wrn.inference.preprocessed import PreprocessedImage
from wrn_base.errors import ImageReadError

_TINY = 1 << 16  # pixels, which decode faster than a thread begins
_LARGE = 4_000_000  # pixels, which decode in a tenth of a second
_WORKERS = 4


class ImagePreprocessing:
    """Decodes and preprocesses images in threads, so that none delays those of other requests.

    A request has one thread at a time. Tiny images need none. Large images have a thread of their
    own, one after the other, which also bounds the memory for their pixels.

    Args:
        predictor: The model.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        workers = min(_WORKERS, os.cpu_count() or 1)
        self._small = ThreadPoolExecutor(workers, 'wrn-app-images')
        self._large = ThreadPoolExecutor(1, 'wrn-app-large-images')

    async def __call__(
        self, images: Sequence[tuple[EncodedImage, Header]]
    ) -> list[PreprocessedImage]:
        """Preprocess the images of a request. When cancelled, the next one is not begun.

        Args:
            images: Each image, with its header.
        """
        loop = asyncio.get_running_loop()
        results = []
        for image, header in images:
            pixels = decoded_pixels(header)
            if pixels <= _TINY:
                results.append(self._preprocess(image, header))
                continue
            pool = self._large if pixels > _LARGE else self._small
            results.append(await loop.run_in_executor(pool, self._preprocess, image, header))
        return results

    def close(self) -> None:
        """End the threads. What waits is left undone."""
        for pool in (self._small, self._large):
            pool.shutdown(wait=False, cancel_futures=True)

    def _preprocess(self, image: EncodedImage, header: Header) -> PreprocessedImage:
        if header.format == 'PNG':
            try:
                check_pixel_data(image.content)
            except PixelDataError as error:
                problem = ImageReadError(f'{image}: {error}; send another image')
                return PreprocessedImage(None, problem)
        result = self._predictor.preprocess(image)
        if isinstance(result.meta, ImageReadError) and isinstance(
            result.meta.__cause__, ValueRangeError
        ):
            # The original names an argument that only the owner of the model can set.
            problem = ImageReadError(
                f'{image}: has signed, float or 32-bit values, of which black and white are '
                'unknown; send an image of 8 or 16 bits'
            )
            return PreprocessedImage(None, problem)
        return result
