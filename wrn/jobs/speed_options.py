"""Options that determine how fast a step of training or testing is."""

from collections.abc import Callable
from typing import Any, TypedDict

from mmengine.config import Config

from wrn.config.config_errors import config_errors
from wrn.training import speed


class SpeedOptions(TypedDict, total=False):
    """Options of training and testing that determine the speed of a step.

    Attributes:
        channels_last: Use the channels-last memory format. Defaults to yes, for the networks of
            this package.
        compile: Compile the backbone. Defaults to no.
        tf32: Use TF32 for float32 on GPUs. Defaults to torch's: in convolutions only.
        cudnn_benchmark: Time the algorithms of cuDNN and use the fastest. Defaults to no.
    """

    channels_last: bool | None
    compile: bool | None
    tf32: bool | None
    cudnn_benchmark: bool | None


class TrainingSpeedOptions(SpeedOptions, total=False):
    """Options of training that determine the speed of a step.

    Attributes:
        fused: Use a fused optimizer. Defaults to yes, for SGD, Adam and AdamW.
        sync_bn: Synchronize batch norms over the GPUs. Defaults to no.
    """

    fused: bool | None
    sync_bn: bool | None


_Apply = Callable[[Config, bool | None], None]
_APPLY: dict[str, _Apply] = {
    'channels_last': speed.set_channels_last,
    'compile': speed.set_compile,
    'tf32': speed.set_tf32,
    'cudnn_benchmark': speed.set_cudnn_benchmark,
}
_APPLY_IN_TRAINING: dict[str, _Apply] = {'fused': speed.set_fused, 'sync_bn': speed.set_sync_bn}


def apply_speed_options(cfg: Config, options: SpeedOptions, training: bool) -> None:
    """Apply the options to a config. Without a value, the default is used.

    Args:
        cfg: The config, which is changed.
        options: The options.
        training: Whether the config is to be trained.

    Raises:
        WrnError: If the network or the optimizer does not support an option.
    """
    values = dict[str, Any](options)
    with config_errors(cfg.filename):
        for name, apply in (_APPLY | (_APPLY_IN_TRAINING if training else {})).items():
            apply(cfg, values.get(name))
