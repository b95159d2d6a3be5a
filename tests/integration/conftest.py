"""The digits model, its application, a folder of digits, and the predictions for them."""

import pytest
from PIL import Image
from predictions import DIGITS
from sklearn.datasets import load_digits

import wrn


@pytest.fixture(scope='module')
def model():
    """The digits model."""
    return wrn.get_model(DIGITS, True)


@pytest.fixture(scope='module')
def client(model):
    """A client of the application of the digits model."""
    from app_client import digits_client  # the other tests need no server

    with digits_client(model) as client:
        yield client


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    """60 digits in two folders."""
    folder = tmp_path_factory.mktemp('digits')
    for i, pixels in enumerate(load_digits().images[:60]):
        path = folder / 'ab'[i % 2] / f'{i:02}.png'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((pixels * (255 / 16)).astype('uint8')).save(path)
    return folder


@pytest.fixture(scope='module')
def expected(digits):
    """The predictions of single images, in the order of the paths."""
    results = wrn.inference_model(DIGITS, sorted(map(str, digits.rglob('*.png'))))
    return {result['img_path']: (result['pred_class'], result['pred_score']) for result in results}
