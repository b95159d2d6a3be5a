"""The limits of requests."""

from dataclasses import asdict, dataclass

from wrn.data.images.bounds import MAX_PIXELS
from wrn_base.errors import WrnError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class RequestLimits:
    """What a client may ask for.

    Attributes:
        image_bytes: The size of an encoded image. Defaults to 10 MB.
        request_bytes: The size of a request with all its images. Defaults to 50 MB.
        pixels: The width times the height of an image. Defaults to 50 million.
        queue: The number of images that wait, and so of those in a request. Defaults to 64.
        seconds: The time from the start of a request to its answer. Defaults to 30.

    Raises:
        WrnError: If an image may have more pixels than a decoder takes, or more bytes than its
            request.
    """

    image_bytes: int = 10 * MEGABYTE
    request_bytes: int = 50 * MEGABYTE
    pixels: int = 50_000_000
    queue: int = 64
    seconds: float = 30

    def __post_init__(self) -> None:
        if self.pixels > MAX_PIXELS:
            raise WrnError(f'pixels={self.pixels}: must be at most {MAX_PIXELS}')
        if self.image_bytes > self.request_bytes:
            raise WrnError(
                f'image_bytes={self.image_bytes}: is more than request_bytes={self.request_bytes}; '
                'raise that, too, or lower this'
            )

    @property
    def request_pixels(self) -> int:
        """The pixels of all images of a request together."""
        return 4 * self.pixels

    @property
    def held_bytes(self) -> int:
        """The size of all requests together that are read or wait."""
        return 4 * self.request_bytes

    def as_dict(self) -> dict[str, float]:
        """Return the limits by name."""
        return asdict(self) | dict(request_pixels=self.request_pixels)


DEFAULT_LIMITS = RequestLimits()
