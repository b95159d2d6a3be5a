"""Train a model: ``wrn.train``, and the command ``wrn train``."""

from mmengine.config import Config
from typing_extensions import Unpack

from wrn import training
from wrn.jobs.keywords import check_names
from wrn.jobs.loading import make_read_options
from wrn.jobs.run_options import TrainOptions, apply_train_options, read_runnable
from wrn.jobs.settings import name_settings
from wrn.training.finetune_results import find_fine_tuning
from wrn_base.run_progress import SILENT


def train(config: str, **options: Unpack[TrainOptions]) -> training.Trained:
    """Train a model by a config.

    Args:
        config: The path of a config, or the name of a model.
        **options: The options of the command, see :class:`wrn.jobs.run_options.TrainOptions`.

    Returns:
        The work folder, the last and the best checkpoint, and the best metric.

    Raises:
        WrnError: If the config, the data or an option is wrong, or the run fails.
        RunStoppedError: If the run was asked to stop by SIGTERM.
        TypeError: If an argument is unknown.
    """
    cfg = make_train_config(config, options)
    overwrite = options.get('overwrite', False)
    replaced = find_fine_tuning(cfg, overwrite)
    progress = options.get('progress', SILENT)
    with name_settings(options.get('cfg_options')):
        return training.train(
            cfg, make_read_options(options), None, progress, replaced if overwrite else None
        )


def make_train_config(config: str, options: TrainOptions) -> Config:
    """Read a config to train by, and apply options to it.

    Args:
        config: The path of a config, or the name of a model.
        options: The options.

    Returns:
        The config.

    Raises:
        WrnError: If the config or an option is wrong.
        TypeError: If an argument is unknown.
    """
    check_names(train, options, TrainOptions)
    cfg = read_runnable(config)
    apply_train_options(cfg, options)
    return cfg
