"""Report the images that a run cannot read, and count those that it skips."""

from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from wrn.data.checked_reading import check_reading
from wrn_base.errors import WrnError, count

_NAMED = 3  # skipped images


class UnreadableHook(Hook):
    """Stop at unreadable images, and log how many were skipped, after each epoch with new ones."""

    def before_train(self, runner: Runner) -> None:
        """Check reading in the training and the validation dataset."""
        self._reading = list(check_reading(runner.train_dataloader.dataset))
        for reading in self._reading:
            reading.skippable = True
        self._logged = 0
        if runner.val_loop is not None:
            _forbid_skipping('val_dataloader', runner.val_dataloader)
            # A mistake in this pipeline would otherwise end the run after an epoch.
            runner.val_dataloader.dataset[0]

    def before_test(self, runner: Runner) -> None:
        """Check reading in the test dataset."""
        _forbid_skipping('test_dataloader', runner.test_dataloader)

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the images that were skipped so far, by all processes together, each once."""
        lists = [reading.skipped for reading in self._reading if reading.skipped]
        if not lists:
            return
        skipped = set[str]().union(*(found.collect() for found in lists))
        skipped = skipped.union(*all_gather_object(skipped))
        if len(skipped) > self._logged:
            self._logged = len(skipped)
            number, first = count(len(skipped), 'unreadable image'), sorted(skipped)[:_NAMED]
            runner.logger.warning(f'skipped {number}, such as {", ".join(first)}')


def _forbid_skipping(name: str, loader: DataLoader[Any]) -> None:
    if any(reading.skip for reading in check_reading(loader.dataset)):
        raise WrnError(
            f'{name}: must not skip unreadable images, since the metrics would then be measured '
            'on other images; set skip=False'
        )
