"""The number and the width of blocks, computed from the paper's d and k."""

import math
from collections.abc import Sequence
from fractions import Fraction

MAX_DEPTH = 2000  # twice that of any published network
MAX_WIDTH = 2048  # channels in the first stage, several times those of any published network


class DepthError(ValueError, KeyError):
    """A depth that no network has. mmpretrain's networks raise a KeyError."""

    __str__ = Exception.__str__  # KeyError's puts quotes around the message


def read_widen_factor(widen_factor: float) -> Fraction:
    """Return a widen factor as an exact fraction: 11/10 for 1.1, which no binary float equals.

    Args:
        widen_factor: The paper's k.

    Returns:
        The nearest fraction with a denominator of at most 1000.

    Raises:
        ValueError: If the factor is not a positive number.
    """
    factor = Fraction(0)
    if isinstance(widen_factor, int | float | Fraction) and math.isfinite(widen_factor):
        factor = Fraction(widen_factor).limit_denominator(1000)
    if factor <= 0:
        raise ValueError(f'widen_factor must be a positive number, not {widen_factor!r}')
    return factor


def widen(base_channels: int, widen_factor: float) -> int:
    """Return a number of channels times a widen factor.

    Args:
        base_channels: The number of channels at ``widen_factor=1``.
        widen_factor: The paper's k.

    Raises:
        ValueError: If the factor is not positive, or the product is not a whole number or above
            :data:`MAX_WIDTH`.
    """
    width = base_channels * read_widen_factor(widen_factor)
    if width.denominator != 1:
        raise ValueError(
            f'widen_factor={widen_factor} gives {float(width):g} channels in the first stage '
            f'(base_channels={base_channels}); the product must be a whole number'
        )
    if width > MAX_WIDTH:
        raise ValueError(
            f'widen_factor={widen_factor} gives {width} channels in the first stage '
            f'(base_channels={base_channels}); at most {MAX_WIDTH} are possible'
        )
    return int(width)


def count_blocks(depth: int, kernel_sizes: Sequence[int]) -> int:
    """Return the number of blocks in a stage.

    Args:
        depth: The paper's d.
        kernel_sizes: Kernel sizes of the convolutions in a block.

    Returns:
        The paper's N: (d - 4) / 3l for blocks of l convolutions that are all 3x3, else
        (d - 4) / 6.

    Raises:
        DepthError: If that is not a whole number of 1 or more, or the depth is above
            :data:`MAX_DEPTH`.
        ValueError: If no convolution is 3x3.
    """
    if 3 not in kernel_sizes or not set(kernel_sizes) <= {1, 3}:
        raise ValueError(f'kernel_sizes must be 1 or 3, with at least one 3, not {kernel_sizes}')
    if not isinstance(depth, int):
        raise DepthError(f'depth must be a whole number, not {depth!r}')
    if depth > MAX_DEPTH:
        raise DepthError(f'depth must be at most {MAX_DEPTH}, not {depth}')
    layers = _depth_per_block(kernel_sizes)
    blocks, rest = divmod(depth - 4, layers)
    if blocks < 1 or rest:
        raise DepthError(
            f'depth must be {layers}n + 4 with n >= 1, such as {count_depth(2, kernel_sizes)}, not '
            f'{depth}'
        )
    return blocks


def count_depth(blocks: int, kernel_sizes: Sequence[int]) -> int:
    """Return the depth, the paper's d, of a network: the inverse of :func:`count_blocks`.

    Args:
        blocks: The number of blocks in a stage.
        kernel_sizes: Kernel sizes of the convolutions in a block.
    """
    return _depth_per_block(kernel_sizes) * blocks + 4


def _depth_per_block(kernel_sizes: Sequence[int]) -> int:
    """Return what one more block in each of three stages adds to the paper's depth."""
    return 3 * (len(kernel_sizes) if set(kernel_sizes) == {3} else 2)
