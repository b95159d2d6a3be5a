"""No image of a request delays those of other requests, and none takes long."""

import asyncio
import io
import struct
import threading
import zlib

import numpy as np
import pytest
from app_client import PNG, digits_client, encoded
from PIL import Image

from wrn.app import RequestLimits
from wrn.app.batch_queue import BatchQueue
from wrn.app.image_preprocessing import ImagePreprocessing
from wrn.app.refusal import Refusal
from wrn.data.images import EncodedImage
from wrn.data.images.header import read_header
from wrn.inference.preprocessed import PreprocessedImage


@pytest.fixture(scope='module')
def client():
    with digits_client(limits=RequestLimits(pixels=1_000_000)) as client:
        yield client


def refused(client, content, status, part, **options):
    response = client.post('/api/predict', content=content, headers=PNG, **options)
    assert response.status_code == status, response.text
    assert part in response.json()['error']


def test_a_large_image_does_not_delay_a_small_one():
    gate = threading.Event()

    class Reader:
        def preprocess(self, image):
            if image.name == 'large':
                assert gate.wait(30)
            return PreprocessedImage(None, {'img_path': image.name})

    preprocessing = ImagePreprocessing(Reader())

    async def read(name, size):
        content = encoded(size)
        return await preprocessing([(EncodedImage(name, content), read_header(content))])

    async def read_all():
        large = [asyncio.create_task(read('large', (2100, 2000))) for _ in range(6)]
        small = [await read('small', (16, 16)) for _ in range(3)]
        assert not any(task.done() for task in large)
        for task in large[1:]:
            task.cancel()
        gate.set()
        await large[0]
        return small

    try:
        assert asyncio.run(read_all()) == [[(None, {'img_path': 'small'})]] * 3
    finally:
        preprocessing.close()


def test_images_that_are_prepared_count_as_waiting():
    async def fill():
        queue = BatchQueue(list, 8, 3)
        running = asyncio.create_task(queue.run())
        with queue.reserve(2):
            with (
                pytest.raises(Refusal, match='images that wait: 2 of at most 3; send'),
                queue.reserve(2),
            ):
                pass
            closing = asyncio.create_task(queue.close(5))
            await asyncio.sleep(0.05)
            assert not closing.done()  # what is prepared is still computed
        assert await queue.submit([1, 2]) == [1, 2]
        await closing
        with pytest.raises(Refusal, match='is stopping'), queue.reserve(1):
            pass
        running.cancel()

    asyncio.run(fill())


def test_the_pixels_of_a_request_are_limited(client):
    files = [('f', (f'{i}.png', encoded((1000, 1000)))) for i in range(5)]
    response = client.post('/api/predict', files=files[:4])
    assert response.status_code == 200
    response = client.post('/api/predict', files=files)
    assert response.status_code == 413
    assert response.json()['error'].startswith('the images have more than 4,000,000 pixels')
    assert client.get('/api/model').json()['limits']['request_pixels'] == 4_000_000


def test_a_png_whose_data_are_more_than_its_pixels(client, capfd):
    def chunk(kind, data=b''):
        checksum = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + checksum

    data = zlib.compress(bytes(64 << 20))  # shorter than 200x200 pixels
    header = struct.pack('>IIBBBBB', 200, 200, 8, 2, 0, 0, 0)
    bomb = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', data) + chunk(b'IEND')
    refused(client, bomb, 422, 'image: its data decompress to more than the 120200 bytes')
    assert capfd.readouterr().err == ''


def test_the_scans_of_a_jpeg_count(client):
    """Each of them takes the time of all pixels."""
    content = io.BytesIO()
    Image.new('RGB', (900, 900)).save(content, 'JPEG', progressive=True)
    usual = content.getvalue()
    assert client.post('/api/predict', content=usual, headers=PNG).status_code == 200
    scan = usual[usual.index(b'\xff\xda') : usual.index(b'\xff\xc4', usual.index(b'\xff\xda'))]
    many = usual[: usual.index(b'\xff\xda')] + scan * 30 + usual[usual.index(b'\xff\xda') :]
    refused(client, many, 413, 'scans take as long as ')


def test_messages_are_for_clients(client):
    tiff = io.BytesIO()
    Image.fromarray(np.zeros((9, 9), np.float32)).save(tiff, 'TIFF')
    refused(client, tiff.getvalue(), 422, 'send an image of 8 or 16 bits')
    refused(client, encoded((600, 1)), 413, 'crop the image')
    huge = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + struct.pack('>II', 60_000, 60_000) + bytes(9)
    refused(client, huge, 413, '60000x60000 pixels are more than 1,000,000; make')
