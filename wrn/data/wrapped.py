"""Find the datasets that a config wraps in others."""

from collections.abc import Iterator

from mmengine.config import ConfigDict


def unwrap_datasets(dataset: ConfigDict) -> Iterator[ConfigDict]:
    """Yield the config of a dataset, or those of the datasets that it wraps, at any depth."""
    inner = [dataset.dataset] if 'dataset' in dataset else dataset.get('datasets')
    if inner is None:
        yield dataset
    for wrapped in inner or ():
        yield from unwrap_datasets(wrapped)
