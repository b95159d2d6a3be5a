"""Record the results of each image of a test, and what they are made from."""

from dataclasses import dataclass
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from wrn.checkpoints import unwrap_model
from wrn.config.config_parts import get_inner_model, get_test_dataset
from wrn.training.checks import predicts_one_class
from wrn.training.evaluation.image_results import ImageRecorder, ImageResults


@dataclass(frozen=True)
class RecordedTest:
    """A test, and its results for each image.

    Attributes:
        dataset: The dataset: ``dataset[i]`` is a preprocessed sample, ``get_data_info(i)`` names
            its file.
        network: The network, in eval mode.
        pipeline: The config of each step of the preprocessing.
        images: The results for each image. None if images have several labels.
    """

    dataset: Any
    network: nn.Module
    pipeline: list[dict[str, Any]]
    images: ImageResults | None


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
        self._recorder = ImageRecorder(len(runner.test_dataloader.dataset))
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
        if is_main_process():
            pipeline = get_test_dataset(runner.cfg).pipeline
            images = self._recorder and self._recorder.recorded
            network = unwrap_model(runner.model)
            self.recorded = RecordedTest(runner.test_dataloader.dataset, network, pipeline, images)
