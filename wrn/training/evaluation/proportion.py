"""A share of images with its confidence interval, printed with the digits that it deserves."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from wrn_base.percent import format_percent

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Proportion:
    """The share of images for which something holds, such as a correct prediction.

    Attributes:
        correct: The number of these images.
        total: The number of all images, at least 1.
    """

    correct: int
    total: int

    @property
    def percent(self) -> float:
        """The share in percent."""
        return 100 * self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % confidence interval in percent.

        It is the interval of `Wilson, 1927 <https://doi.org/10.1080/01621459.1927.10502953>`_,
        which holds for few images and for shares near 0 and 100 %, too.
        """
        z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
        share, spread = self.correct / self.total, z**2 / self.total
        center = (share + spread / 2) / (1 + spread)
        half = z * math.sqrt(share * (1 - share) / self.total + spread / (4 * self.total))
        half /= 1 + spread
        # Rounding may leave a difference of 1e-17 where an end is exactly 0 or 100 %.
        low = 0.0 if self.correct == 0 else center - half
        high = 1.0 if self.correct == self.total else center + half
        return 100 * low, 100 * high

    @property
    def decimals(self) -> int:
        """The number of decimals of a share of so many images, in percent: 1 or 2."""
        return max(self.interval_decimals, 1)

    @property
    def interval_decimals(self) -> int:
        """The number of decimals of what so many images tell less exactly: 0 to 2."""
        low, high = self.interval
        return sum(high - low < width for width in (10, 1))

    def __str__(self) -> str:
        low, high = (f'{end:.{self.interval_decimals}f}' for end in self.interval)
        of = f'{self.correct:,} of {self.total:,}'
        share = format_percent(self.percent, self.decimals)
        return f'{share} ({of}; 95 % interval {low} to {high})'
