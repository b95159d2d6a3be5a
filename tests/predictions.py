"""Read the results of `wrn predict` and compare them with expected ones."""

import json

import pytest

DIGITS = 'wide-resnet16-2_1xb64_digits'


def read(path):
    """Return the top-1 class and score of each image in a .jsonl file."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    best = [(r['img_path'], r['predictions'][0]) for r in records]
    return {name: (p['pred_class'], p['pred_score']) for name, p in best}


def check(results, expected):
    assert list(results) == list(expected)
    for name, (label, score) in expected.items():
        assert results[name][0] == label
        # Convolutions may sum in another order at another batch size.
        assert results[name][1] == pytest.approx(score, rel=1e-4)
