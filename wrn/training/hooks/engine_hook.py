"""Test what an engine computes."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from wrn.checkpoints import unwrap_model
from wrn.deploy.classifier import deploy


class EngineHook(Hook):
    """Let an engine run the network in a test.

    Args:
        backend: As for :func:`wrn.get_model`.
        precision: Likewise. Defaults to ``'float32'``.
        calibration: Pictures to calibrate ``'int8'`` with. Defaults to None.
    """

    def __init__(
        self, backend: str, precision: str = 'float32', calibration: str | None = None
    ) -> None:
        self.backend, self.precision, self.calibration = backend, precision, calibration

    def before_test(self, runner: Runner) -> None:
        """Build it from the weights that were loaded.

        Args:
            runner: The runner, whose model is replaced.
        """
        network = unwrap_model(runner.model)
        network._config = runner.cfg
        deployed = deploy(
            network.eval(),
            self.backend,
            self.precision,
            runner.test_dataloader.batch_size or 1,
            self.calibration,
        )
        if runner.model is network:
            runner.model = deployed
            return
        wrapper = runner.model
        while wrapper.module is not network:
            wrapper = wrapper.module
        wrapper.module = deployed
