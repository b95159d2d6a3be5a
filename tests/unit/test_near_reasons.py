"""Near-duplicates on the page of a report."""

import re

from report_content import make_content

from wrn.report.content import NearGroup, NearImage
from wrn.report.page import render_page


def test_a_group_has_the_reason_of_its_splits():
    content = make_content(['ant', 'bee'], 20)
    places = [('test', 'test'), ('val', 'test'), ('train', 'val'), ('train', 'val', 'test')]
    labels = [(0, 1), (0, 0), (1, 1), (1, 0, 0)]
    content.near = [
        NearGroup([NearImage(f'{s}/{i}', s, c) for i, (s, c) in enumerate(zip(*two, strict=True))])
        for two in zip(places, labels, strict=True)
    ]
    html = render_page(content)
    near = html[html.index('<section id="near">') : html.index('<section id="classes">')]
    sections = near.split('<h3>')[1:]
    expected = [
        ('In training and test', 'makes the accuracy too good', 'train/0', True),
        ('In training and validation', 'makes the validation too good', 'train/0', False),
        ('In validation and test', 'images that are also tested', 'val/0', False),
        ('In different classes of one split', 'labels is probably wrong', 'test/0', True),
    ]
    for section, (title, reason, path, differ) in zip(sections, expected, strict=True):
        assert section.startswith(f'{title}<')
        assert reason in section
        assert path in section
        assert ('Their labels differ' in section) == differ
    assert re.search('training, .*bee', sections[0])
