"""What a report takes at most: the bytes of its images, and the images that it compares."""

import re

import numpy as np
import torch

import wrn
from wrn.data.near_duplicates import find_near_duplicates
from wrn.report.collect import add_images
from wrn.report.content import Content, NearGroup, NearImage
from wrn.report.page import render_page
from wrn.report.thumbnails import encode
from wrn.training.evaluation import CONFUSION, Report
from wrn.training.evaluation.image_results import ImageRecorder, make_results
from wrn.training.hooks.record_images import RecordedTest

# JPEG makes noise least small.
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
CLASSES = 40


class Noise:
    """A dataset of images of noise."""

    def __len__(self):
        return 2000

    def __getitem__(self, i):
        return dict(inputs=torch.from_numpy(np.roll(NOISE, i, axis=0)).permute(2, 0, 1))

    def get_data_info(self, i):
        return dict(img_path=f'{i}.png')


def test_the_images_of_a_page_take_at_most_10_mb(monkeypatch):
    """Also where galleries have the same images, and there are as many near-duplicates as can be."""
    monkeypatch.setattr('wrn.report.collect.embed', lambda features: features[:, :2])
    samples, positions = Noise(), torch.arange(2000)
    labels = positions % CLASSES
    scores = torch.zeros(2000, CLASSES)
    scores[positions, (labels + 1 + positions // CLASSES % 38) % CLASSES] = 0.9
    scores[:24] = 1 / CLASSES  # the least certain ones
    scores[positions, labels] = torch.where(positions < 24, 0.0, 0.01)  # and the worst ones
    results = make_results(scores, labels, np.zeros((2000, 2), np.float32))
    confusion = np.zeros((CLASSES, CLASSES), int)
    np.add.at(confusion, (labels, results.top_labels[:, 0]), 1)
    content = Content('noise', [], Report({CONFUSION: confusion}, [*map(str, range(CLASSES))]))
    near = NearImage('a.png', 'test', 0, encode(NOISE))
    content.near = [NearGroup([near] * 8)] * 50
    network = wrn.get_model('wide-resnet16-2_1xb64_digits', head=dict(num_classes=CLASSES))
    add_images(content, RecordedTest(samples, network, False, results), results, lambda done: None)
    worst, certain, _ = content.galleries
    assert {*worst.images} == {*certain.images} == {*range(24)}
    urls = re.findall(r'data:image/jpeg;base64,[^"]+', render_page(content))
    assert 9_900_000 < sum(map(len, urls)) <= 10_000_000
    assert any('take at most 10 MB' in sentence for sentence in content.left_out)


def test_at_most_two_thousand_images_have_features():
    recorder = ImageRecorder(2001)
    for start in range(0, 2001, 667):
        recorder.batch_features = torch.zeros(667, 1)
        sample = dict(pred_score=torch.tensor([0.9, 0.1]), gt_label=torch.tensor([0]))
        recorder.process(None, [dict(sample, sample_idx=start + i) for i in range(667)])
    recorder.evaluate(2001)
    assert len(recorder.recorded.labels) == 2001
    assert 1000 < len(recorder.recorded.features) <= 2000


def test_at_most_twenty_thousand_images_are_compared():
    dots = [np.zeros((1, 1, 3), np.uint8)] * 20_001
    found = find_near_duplicates(dots, ['test'] * 20_001, [0] * 20_001)
    assert (found.left_out, found.flat) == (1, 20_000)
