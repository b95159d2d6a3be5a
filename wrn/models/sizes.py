"""What the paper's d and k mean: the number of blocks, and their widths."""

import math
from collections.abc import Sequence
from fractions import Fraction


def read_widen_factor(widen_factor: float) -> Fraction:
    """Read a widen factor as it was meant: 1.1 is 11/10, which no binary float is.

    Args:
        widen_factor: The paper's k.

    Returns:
        The nearest fraction with a small denominator.

    Raises:
        ValueError: If it is no positive number.
    """
    factor = Fraction(0)
    if isinstance(widen_factor, int | float | Fraction) and math.isfinite(widen_factor):
        factor = Fraction(widen_factor).limit_denominator(1000)
    if factor <= 0:
        raise ValueError(f'widen_factor must be a positive number, not {widen_factor!r}')
    return factor


def widen(base_channels: int, widen_factor: float) -> int:
    """Multiply a number of channels by a widen factor.

    Args:
        base_channels: The number of channels at ``widen_factor=1``.
        widen_factor: The paper's k.

    Returns:
        The product.

    Raises:
        ValueError: If the factor is not positive or the product is no whole number.
    """
    width = base_channels * read_widen_factor(widen_factor)
    if width.denominator != 1:
        raise ValueError(
            f'widen_factor={widen_factor} gives {float(width):g} channels in the first stage '
            f'(base_channels={base_channels}); the product must be a whole number'
        )
    return int(width)


def count_blocks(depth: int, kernel_sizes: Sequence[int]) -> int:
    """Return the number of blocks in a stage.

    Args:
        depth: The paper's d.
        kernel_sizes: Kernel sizes of the convolutions of a block.

    Returns:
        The paper's n (it calls it N): (d - 4) / 6, or (d - 4) / 3l for l 3x3 convolutions.

    Raises:
        ValueError: If the depth gives no whole number of them, or there is no 3x3 convolution.
    """
    if 3 not in kernel_sizes or not set(kernel_sizes) <= {1, 3}:
        raise ValueError(f'kernel_sizes must be 1 and 3, with a 3 among them, not {kernel_sizes}')
    if not isinstance(depth, int):
        raise ValueError(f'depth must be a whole number, not {depth!r}')
    layers = _layers_of_a_block(kernel_sizes)
    blocks, rest = divmod(depth - 4, layers)
    if blocks < 1 or rest:
        raise ValueError(
            f'depth must be {layers}n + 4 for some n of 1 or more, such as '
            f'{count_depth(2, kernel_sizes)}, not {depth}'
        )
    return blocks


def count_depth(blocks: int, kernel_sizes: Sequence[int]) -> int:
    """Return the paper's d of a network with this number of blocks in a stage.

    Args:
        blocks: The paper's n.
        kernel_sizes: Kernel sizes of the convolutions of a block.

    Returns:
        The depth, from which :func:`count_blocks` gives the number of blocks again.
    """
    return _layers_of_a_block(kernel_sizes) * blocks + 4


def _layers_of_a_block(kernel_sizes: Sequence[int]) -> int:
    """Return how much one block in each of three stages adds to the depth, as the paper counts."""
    return 3 * (len(kernel_sizes) if set(kernel_sizes) == {3} else 2)
