"""Near-duplicates on the page of a report."""

import re

from report_content import make_content

from wrn.report.content import NearPair
from wrn.report.page import render_page


def test_a_pair_has_the_reason_of_its_splits():
    content = make_content(['ant', 'bee'], 20)
    places = [('test', 'test'), ('test', 'val'), ('train', 'val'), ('train', 'test')]
    labels = [(0, 1), (0, 0), (1, 1), (1, 0)]
    content.near = [
        NearPair('class' if s[0] == s[1] else 'split', f'{s[0]}/a', f'{s[1]}/b', 2, s, classes)
        for s, classes in zip(places, labels, strict=True)
    ]
    html = render_page(content)
    near = html[html.index('<section id="near">') : html.index('<section id="classes">')]
    groups = near.split('<h3>')[1:]
    expected = [
        ('In training and test', 'makes the accuracy too good', 'train/a', 'different labels'),
        ('In training and validation', 'makes the validation too good', 'train/a', ''),
        ('In validation and test', 'images that are also tested', 'val/b', ''),
        ('In different classes of one split', 'labels is probably wrong', 'test/a', 'different'),
    ]
    for group, (title, reason, path, note) in zip(groups, expected, strict=True):
        assert group.startswith(f'{title}<')
        assert reason in group
        assert path in group
        assert ('different labels' in group) == bool(note)
    assert re.search('different labels: .*bee.*, .*ant', groups[0])
