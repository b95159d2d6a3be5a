"""Test a model in a backend, such as ONNX Runtime."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from wrn.checkpoints import unwrap_model
from wrn.deploy.classifier import deploy


class EngineHook(Hook):
    """Run the network of a test in a backend.

    Args:
        backend: The backend, as for :func:`wrn.get_model`.
        precision: The precision, as for :func:`wrn.get_model`.
        calibration: The folder of the images that calibrate ``'int8'``; None for other precisions.
    """

    def __init__(self, backend: str, precision: str, calibration: str | None) -> None:
        self.backend, self.precision, self.calibration = backend, precision, calibration

    def before_test(self, runner: Runner) -> None:
        """Replace the network by a deployed one with the weights that were loaded."""
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
