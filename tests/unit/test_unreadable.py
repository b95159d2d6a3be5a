"""An image that cannot be read is named, or replaced by another one and counted."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from commands import CONTEXT
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import TRANSFORMS
from torch._utils import ExceptionWrapper

from wrn.config.config_errors import config_errors
from wrn.data import CheckedReading, skip_unreadable
from wrn.data.checked_reading import check_reading
from wrn.data.skipped_files import SkippedFiles
from wrn.training.hooks import unreadable_images
from wrn.training.hooks.unreadable_images import UnreadableHook
from wrn_base.errors import ImageReadError, WrnError

LOAD = dict(type='LoadImageFromFile')
BAD = {
    'cut.jpg': lambda whole: whole[:-100],
    'empty ü.jpg': lambda whole: b'',
    'text.jpg': lambda whole: b'<html>',
}


@pytest.fixture
def data(make_image_folder):
    """24 images, and three that cannot be read."""
    folder = make_image_folder() / 'train'
    whole = (folder / 'class_0' / '0.jpg').read_bytes()
    for name, damage in BAD.items():
        (folder / 'class_1' / name).write_bytes(damage(whole))
    return folder


def make_loader(data, skip, workers, seed=0, **kwargs):
    """Build a data loader like a runner."""
    pipeline = [dict(type='CheckedReading', transform=LOAD, skip=skip), dict(type='PackInputs')]
    dataset = dict(type=CustomDataset, data_root=str(data), pipeline=pipeline, **kwargs)
    return Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=3,
            num_workers=workers,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate'),
        ),
        seed=seed,
    )


def read(*args, **kwargs):
    """Return the paths of an epoch, in order, and the loader."""
    loader = make_loader(*args, **kwargs)
    np.random.seed(kwargs.get('seed', 0))  # the runner's seed, which matters without workers
    return [sample.img_path for batch in loader for sample in batch['data_samples']], loader


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('name', [*BAD, 'none.jpg'])
def test_an_unreadable_image_is_named(data, name, backend):
    reading = CheckedReading(dict(**LOAD, imdecode_backend=backend))
    path = data / 'class_1' / name
    with pytest.raises(ImageReadError) as error:
        reading(dict(img_path=str(path)))
    assert str(error.value).startswith(f'{path}: the image cannot be read (')
    assert CheckedReading(LOAD, skip=True)(dict(img_path=str(path))) is None


def test_the_error_of_a_worker_is_one_line(data):
    path = data / 'class_1' / 'empty ü.jpg'
    try:
        CheckedReading(LOAD)(dict(img_path=str(path)))
    except ImageReadError:
        error_of_worker = ExceptionWrapper(where='in DataLoader worker process 0')
    with pytest.raises(ImageReadError) as error, config_errors('mine.py'):
        error_of_worker.reraise()
    assert str(error.value) == (
        f'{path}: the image cannot be read (the file is empty); remove or replace it; '
        '`wrn check-data` lists all such images'
    )


def test_the_cure_of_training_names_the_option(data):
    reading = CheckedReading(LOAD)
    reading.skippable = True
    with pytest.raises(ImageReadError, match='replace it, or add --skip-unreadable; `wrn check'):
        reading(dict(img_path=str(data / 'class_1' / 'empty ü.jpg')))


def test_readable_images_are_unchanged(data):
    sample = dict(img_path=str(data / 'class_0' / '0.jpg'))
    expected = TRANSFORMS.build(LOAD)(dict(sample))['img']
    for skip in (False, True):
        assert np.array_equal(CheckedReading(LOAD, skip)(dict(sample))['img'], expected)


def test_errors_with_other_causes_are_raised(data):
    """A mistake in the config is not skipped, although it occurs at each image."""
    with pytest.raises(WrnError, match="imdecode_backend='none': must be one of cv2"):
        CheckedReading(dict(**LOAD, imdecode_backend='none'), skip=True)
    resize = dict(type='Resize', scale=(0, 0))
    with pytest.raises(cv2.error):
        CheckedReading(resize, skip=True)(dict(img=np.zeros((9, 9, 3), np.uint8)))


@pytest.mark.parametrize('workers', [0, 2])
def test_skipped_images_are_replaced_and_counted_once(data, workers):
    paths, loader = read(data, True, workers)
    assert len(paths) == len(loader.dataset) == 27
    assert {Path(path).name for path in paths} <= {f'{i}.jpg' for i in range(8)}
    (reading,) = check_reading(loader.dataset)
    bad = {str(data / 'class_1' / name) for name in BAD}
    assert reading.skipped.collect() == bad
    list(loader)  # another epoch, with other workers
    assert reading.skipped.collect() == bad
    # The same seed gives the same samples.
    assert read(data, True, workers)[0] == paths
    assert read(data, True, workers, seed=1)[0] != paths


def test_a_worker_that_is_not_a_fork_adds_to_the_skipped_images():
    skipped = SkippedFiles()
    skipped.add('a.jpg')
    for name in ('b.jpg', '\udcff\n.jpg'):
        process = CONTEXT.Process(target=skipped.add, args=(name,))
        process.start()
        process.join()
    skipped.add('a.jpg')
    assert skipped.collect() == {'a.jpg', 'b.jpg', '\udcff\n.jpg'}


def test_skipped_images_are_logged_once(data, monkeypatch):
    """After the epochs with new ones, whichever process skipped them."""
    loader, hook, lines = make_loader(data, True, 0), UnreadableHook(), []
    logger = SimpleNamespace(warning=lines.append)
    runner = SimpleNamespace(train_dataloader=loader, val_loop=None, logger=logger)
    of_others = {'a.jpg', str(data / 'class_1' / 'cut.jpg')}
    monkeypatch.setattr(unreadable_images, 'all_gather_object', lambda own: [own, of_others])
    hook.before_train(runner)
    for _ in range(2):
        list(loader)
        hook.after_train_epoch(runner)
    of_others.add('b.jpg')
    hook.after_train_epoch(runner)
    cut = data / 'class_1' / 'cut.jpg'
    empty = data / 'class_1' / 'empty ü.jpg'
    assert lines == [
        f'skipped 4 unreadable images, such as {cut}, {empty}, {data}/class_1/text.jpg',
        f'skipped 5 unreadable images, such as {cut}, {empty}, {data}/class_1/text.jpg',
    ]


def test_test_mode_does_not_skip(data):
    """mmengine refuses to replace a sample; without test_mode wrn.training refuses the setting."""
    with pytest.raises(Exception, match='should not get `None`'):
        read(data, True, 0, test_mode=True)


def test_only_unreadable_images(data):
    for path in data.rglob('[0-9].jpg'):
        path.unlink()
    with pytest.raises(Exception, match='Cannot find valid image'):
        read(data, True, 0, max_refetch=20)


def test_wrapped_datasets():
    plain = dict(type='CustomDataset', pipeline=[LOAD, dict(type='PackInputs')])
    repeated = dict(type='RepeatDataset', times=2, dataset=plain)
    config = ConfigDict(type='ConcatDataset', datasets=[repeated, plain])
    skip_unreadable(config)
    for dataset in (config.datasets[0].dataset, config.datasets[1]):
        assert dataset.pipeline[0] == dict(type='CheckedReading', transform=LOAD, skip=True)
        assert dataset.pipeline[1:] == plain['pipeline'][1:]
    assert plain['pipeline'][0] == LOAD  # another dataset may share it
    with pytest.raises(WrnError, match='CIFAR10: has no pipeline'):
        skip_unreadable(ConfigDict(type='CIFAR10'))
