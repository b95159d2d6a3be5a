"""Convert weights between formats: ``wrn.convert``, and the command ``wrn convert``."""

from pathlib import Path

from typing_extensions import Unpack

from wrn.checkpoints import convert as checkpoints
from wrn.checkpoints.formats import TARGETS
from wrn.jobs.keywords import check_names
from wrn.jobs.loading import WeightsOptions, make_read_options
from wrn.zoo.resolve import resolve
from wrn_base.errors import check_choice


def convert(
    checkpoint: str,
    name: str | None = None,
    to: str = 'openmmlab',
    *,
    folder: str | Path = '.',
    config: str | None = None,
    source: str | None = None,
    license: str | None = None,
    overwrite: bool = False,
    **weights: Unpack[WeightsOptions],
) -> checkpoints.Converted:
    """Convert the weights of a Wide-ResNet from any known format to another.

    Args:
        checkpoint: The name of a model, or the path, URL or ``hf://USER/REPO`` of weights.
        name: The name of the file to write, to which the hash is appended. Defaults to None: the
            name of the model, or of the file that is read.
        to: The format to write. Defaults to ``'openmmlab'``.
        folder: The folder to write to. Defaults to the current one.
        config: The path of a config or the name of a model, to record its preprocessing. Defaults
            to None: that of the published model or of the file, else that of torchvision's first
            weights or of the paper.
        source: The provenance of the weights. Defaults to None: what is known.
        license: Their license, an SPDX identifier. Defaults to None: what is known.
        overwrite: Whether to replace a file that exists. Defaults to False.
        **weights: What to take from the file of weights, see
            :class:`wrn.jobs.loading.WeightsOptions`.

    Returns:
        The file that was written, what was found in the file that was read, and what was left out.

    Raises:
        WrnError: If the weights are not those of a Wide-ResNet, or cannot be expressed in the
            format or written, or if the file exists.
    """
    check_names(convert, weights, WeightsOptions)
    check_choice('--to', to, TARGETS)
    described = resolve(config).get_config() if config else None
    options = make_read_options(weights)
    file = resolve(checkpoint, options=options).read_weights(options=options)
    return checkpoints.convert(file, name, to, folder, described, source, license, overwrite)
