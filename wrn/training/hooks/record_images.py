"""Record the results of each image of a test, and what they are made from."""

from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from wrn.checkpoints import unwrap_model
from wrn.config.config_parts import get_inner_model, unwrap_datasets
from wrn.data.images import is_red_first
from wrn.training.checks import predicts_one_class
from wrn.training.evaluation.image_results import ImageRecorder, ImageResults
from wrn.utils.quiet import quiet


@dataclass(frozen=True)
class RecordedTest:
    """A test, and its results for each image.

    Attributes:
        dataset: The dataset: ``dataset[i]`` is a preprocessed sample, ``get_data_info(i)`` names
            its file.
        network: The network, in eval mode, with the weights that were tested.
        red_first: Whether images of three channels are RGB in it, not BGR.
        images: The results for each image. None if images have several labels.
        averages_views: Whether predictions are the mean over several views of each image. Defaults
            to False.
    """

    dataset: Any
    network: nn.Module
    red_first: bool
    images: ImageResults | None
    averages_views: bool = False


class RecordImagesHook(Hook):
    """Record the results of each image of a test.

    Attributes:
        recorded: The results, after the test; None in all processes but the main one.
    """

    recorded: RecordedTest | None = None
    _recorder: ImageRecorder | None = None
    _handle: Any = None

    def before_test(self, runner: Runner) -> None:
        """Add a recorder to the metrics, and let it see the features that the head takes."""
        if not predicts_one_class(get_inner_model(runner.cfg.model)):
            return
        loader = runner.test_dataloader
        in_order = isinstance(loader.sampler, DefaultSampler) and not loader.sampler.shuffle
        self._recorder = ImageRecorder(len(loader.dataset), in_order)
        runner.test_loop.evaluator.metrics.append(self._recorder)
        if head := getattr(unwrap_model(runner.model), 'head', None):  # an engine has none
            self._handle = head.register_forward_pre_hook(self._see)

    def _see(self, head: nn.Module, args: tuple[Any, ...]) -> None:
        features: Tensor = args[0][-1] if isinstance(args[0], tuple | list) else args[0]
        pooled = features.flatten(2).mean(2) if features.ndim > 2 else features
        if self._recorder:
            self._recorder.batch_features = pooled

    def after_test(self, runner: Runner) -> None:
        """Stop listening to the head, and keep the results."""
        if self._handle:
            self._handle.remove()
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):  # it has swapped the weights that were tested out again
                with quiet():
                    hook.before_test_epoch(runner)
        if is_main_process():
            self.recorded = RecordedTest(
                runner.test_dataloader.dataset,
                unwrap_model(runner.model),
                gives_rgb(runner.cfg),
                self._recorder and self._recorder.recorded,
                get_inner_model(runner.cfg.model) is not runner.cfg.model,
            )


def gives_rgb(cfg: Config) -> bool:
    """Return whether the test pipeline of a config gives RGB images, not BGR.

    Args:
        cfg: The config. Of several datasets, the first one counts. One without a pipeline in the
            config gives BGR, as files are read.
    """
    _, dataset = next(unwrap_datasets(cfg.test_dataloader.dataset))
    pipeline = dataset.get('pipeline')
    if not isinstance(pipeline, list | tuple):
        return False
    reverses = any('ReverseChannels' in str(step.get('type')) for step in pipeline)
    return is_red_first(pipeline) != reverses
