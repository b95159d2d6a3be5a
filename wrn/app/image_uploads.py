"""Read the images of a request, within limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import Message

from wrn.app.form_parts import read_form
from wrn.app.refusal import Refusal, too_busy
from wrn.app.request_limits import MEGABYTE, RequestLimits
from wrn.data.images import EXTENSIONS, EncodedImage
from wrn.data.images.bounds import AspectRatioError, ImageSizeError
from wrn.data.images.header import Header, read_header
from wrn_base.errors import one_line

LONGEST_NAME = 300  # characters

_DRAIN_SECONDS = 1
_USUAL_SCANS = 12  # of a progressive JPEG
_FORMS = 'multipart/form-data'
_RAW = ('image/', 'application/octet-stream')


class ImageUploads:
    """Reads the images of requests.

    Nothing but the bytes of a request is read: a URL or a path in it is only a text.

    Args:
        limits: What a request may have.

    Attributes:
        held: The number of bytes of all requests that are read or wait.
    """

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self.held = 0

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[list[EncodedImage]]:
        """Read the images of a request, which count as held during the block.

        Args:
            request: A request with one image as its body, or a form with a file for each image.

        Yields:
            The images.

        Raises:
            Refusal: If there are too many bytes (413) or images (413), none (422), or something
                else (415, 422).
        """
        taken, more = 0, True

        async def receive() -> Message:
            nonlocal taken, more
            message = await request.receive()
            more = message.get('more_body', False)
            size = len(message.get('body', b''))
            taken += size
            self.held += size
            if taken > self._limits.request_bytes:
                raise too_large(self._limits.request_bytes)
            if self.held > self._limits.held_bytes:
                raise too_busy('other requests use the memory for images')
            return message

        try:
            try:
                images = await self._read(Request(request.scope, receive))
            except Refusal:
                if more:
                    await _drain(request, self._limits.request_bytes)
                raise
            yield images
        finally:
            self.held -= taken

    async def _read(self, request: Request) -> list[EncodedImage]:
        announced = request.headers.get('content-length', '')
        if announced.isdecimal() and int(announced) > self._limits.request_bytes:
            raise too_large(self._limits.request_bytes)
        kind = request.headers.get('content-type', '').partition(';')[0].strip().lower()
        if kind == _FORMS:
            return await self._read_form(request)
        if not kind.startswith(_RAW):
            raise Refusal(
                415,
                f'Content-Type {kind[:100]!r}: not an image; send the bytes of an image as '
                f'image/png or the like, or files as {_FORMS}',
            )
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            _check_bytes('the image', len(content), self._limits)
        return [EncodedImage('image', bytes(content))]

    async def _read_form(self, request: Request) -> list[EncodedImage]:
        images = []
        for name, part in (await read_form(request, self._limits.queue)).multi_items():
            if not isinstance(part, UploadFile):
                raise Refusal(422, f'{name[:100]!r}: not a file; send each image as a file')
            file_name = (part.filename or 'image')[:LONGEST_NAME]
            # One byte more than allowed shows that it is too large.
            content = await part.read(self._limits.image_bytes + 1)
            images.append(EncodedImage(file_name, content))
        if not images:
            raise Refusal(422, 'the form has no file; send each image as a file')
        return images


async def _drain(request: Request, most: int) -> None:
    """Receive some of what is left of a body: many clients read no answer before they sent it."""

    async def receive() -> None:
        left = most
        while left > 0:
            message = await request.receive()
            left -= len(message.get('body', b''))
            if not message.get('more_body'):
                return

    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(receive(), _DRAIN_SECONDS)


def check_image(image: EncodedImage, limits: RequestLimits) -> Header:
    """Check the size and the header of an image before it is decoded, and return the header.

    Args:
        image: The image.
        limits: The largest number of bytes and pixels.

    Raises:
        Refusal: If it has too many bytes or pixels (413), is not an image (415) or damaged (422).
    """
    _check_bytes(f'{image}:', len(image.content), limits)
    try:
        header = read_header(image.content)
    except AspectRatioError as error:
        raise Refusal(413, f'{image}: {error}; crop the image') from error
    except ImageSizeError as error:
        _check_pixels(image, error.size, limits)
        raise Refusal(413, f'{image}: {error}; make the image smaller') from error  # of 16 bits
    except ValueError as error:
        raise Refusal(422, f'{image}: damaged ({one_line(error)}); send another image') from error
    if header is None:
        problem = 'not an image' if image.content else 'empty'
        kinds = ' '.join(EXTENSIONS)
        raise Refusal(415, f'{image}: {problem}; the known formats are {kinds}')
    _check_pixels(image, max(header.sizes, key=lambda size: size[0] * size[1]), limits)
    if decoded_pixels(header) > limits.pixels:
        raise Refusal(
            413,
            f'{image}: its {header.scans} scans take as long as {decoded_pixels(header):,} pixels, '
            f'more than {limits.pixels:,}; save it as a baseline JPEG',
        )
    return header


def _check_pixels(image: EncodedImage, size: tuple[int, int], limits: RequestLimits) -> None:
    width, height = size
    if width * height > limits.pixels:
        raise Refusal(
            413,
            f'{image}: {width}x{height} pixels are more than {limits.pixels:,}; make the image '
            'smaller',
        )


def decoded_pixels(header: Header) -> int:
    """Return the pixels of an image. A JPEG of more scans than usual counts as more of them.

    Args:
        header: The header of the image.
    """
    pixels = max(width * height for width, height in header.sizes)
    return pixels * max(header.scans, _USUAL_SCANS) // _USUAL_SCANS


def _check_bytes(name: str, size: int, limits: RequestLimits) -> None:
    if size > limits.image_bytes:
        limit = megabytes(limits.image_bytes)
        raise Refusal(413, f'{name} has more than {limit}; make the image smaller')


def too_large(most: int) -> Refusal:
    """Return the refusal of a request with more than a number of bytes."""
    return Refusal(413, f'the request has more than {megabytes(most)}; send fewer images')


def megabytes(number: int) -> str:
    """Return a number of bytes in MB, such as ``'10 MB'``."""
    return f'{number / MEGABYTE:g} MB'
