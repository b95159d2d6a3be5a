"""`--groups` keeps the images of a patient, a slide or a video in one split."""

import itertools
import logging
import warnings
from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from wrn.data.group_split import draw_groups
from wrn.data.splitting import find_splits
from wrn_base.errors import WrnError


@pytest.fixture
def fill(tmp_path, photograph):
    """Make images named by class, patient and number; return the data folder."""

    def fill(patients, folder=''):
        for name, numbers in patients.items():
            path = tmp_path / 'data' / folder / name
            path.mkdir(parents=True, exist_ok=True)
            for patient, number in numbers.items():
                for i in range(number):
                    (path / f'{patient}_{i}.jpg').symlink_to(photograph)
        return tmp_path / 'data'

    return fill


PATIENTS = {
    'healthy': {f'p{i}': 4 for i in range(10)},
    'ill': {f'p{i}': 2 for i in range(5, 15)},
}


def patients(images):
    return {path.rpartition('/')[2].partition('_')[0] for path, _ in images}


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('expression', [r'(p\d+)_', r'p\d+'])
def test_a_patient_is_in_one_split(fill, expression, seed):
    folder = fill(PATIENTS)
    splits = find_splits(folder, seed, expression)
    train, val = splits.images['train'], splits.images['val']
    assert not patients(train) & patients(val)
    assert len(patients(train) | patients(val)) == 15
    # Whole groups allow exact fifths here.
    assert Counter(label for _, label in val) == {0: 8, 1: 4}
    assert find_splits(folder, seed, expression).images == splits.images
    assert splits.drawn
    assert not splits.tests_apart


def test_the_seed_matters_and_without_groups_nothing_changes(fill):
    folder = fill(PATIENTS)
    drawn = {frozenset(patients(find_splits(folder, s, r'p\d+').images['val'])) for s in range(6)}
    assert len(drawn) > 1
    assert len(patients(find_splits(folder).images['val'])) > 6  # images of most patients


@pytest.mark.parametrize('delimiter', [',', ';'])
def test_a_table(fill, tmp_path, caplog, delimiter):
    folder = fill(PATIENTS)
    expected = find_splits(folder, 3, r'p\d+')
    expected.write(tmp_path)
    table = tmp_path / 'groups.csv'
    lines = table.read_text().splitlines()
    assert lines[:2] == ['path,group', 'healthy/p0_0.jpg,p0']
    lines[2:4] = f'{folder}/{lines[2]}', f'./{lines[3]}'
    lines.append('healthy/gone.jpg,p0')
    table.write_text('\ufeff' + '\n'.join(line.replace(',', delimiter) for line in lines))
    splits = find_splits(folder, 3, str(table))
    assert splits.images == expected.images
    assert 'names 1 image that' in caplog.text
    assert '(healthy/gone.jpg)' in caplog.text
    assert splits.find_different(tmp_path) == [tmp_path / 'groups.csv']
    table.write_bytes(b'')
    splits.write(tmp_path)
    assert splits.find_different(tmp_path) == []
    assert find_splits(folder, 3).find_different(tmp_path)


def test_a_class_in_one_group_is_only_trained(fill):
    folder = fill({**PATIENTS, 'rare': {'p3': 6}})
    splits = find_splits(folder, 0, r'p\d+')
    assert splits.only_trained == ['rare']
    assert 'p3' in patients(splits.images['train'])


def test_given_folders(fill):
    fill({'a': {'p1': 3, 'p2': 3}, 'b': {'p1': 2}}, 'train')
    folder = fill({'a': {'p3': 2}, 'b': {'p4': 2}}, 'val')
    splits = find_splits(folder, 0, r'p\d+')
    assert not splits.drawn
    assert splits.groups['val/b/p4_1.jpg'] == 'p4'
    fill({'a': {'p2': 1}, 'b': {'p3': 1}}, 'test')
    with pytest.raises(WrnError, match=r'train and test share 1 group \(p2\), so test is no test'):
        find_splits(folder, 0, r'p\d+')


def test_groups_of_a_drawn_split_beside_a_test_folder(fill):
    fill({'a': {f'p{i}': 3 for i in range(6)}, 'b': {f'p{i}': 3 for i in range(6)}}, 'train')
    folder = fill({'a': {'p8': 2}, 'b': {'p9': 2}}, 'test')
    splits = find_splits(folder, 0, r'p\d+')
    assert splits.drawn
    assert splits.tests_apart
    assert not patients(splits.images['train']) & patients(splits.images['val'])


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (r'x\d+', r'--groups x\\d\+: gives no group for 60 images of .* \(healthy/p0_0.jpg, .*; change'),
        (r'(p\d)?_', r'gives no group for 10 images'),  # p10 to p14: the parentheses match nothing
        ('p*', r'gives no group for'),  # the empty match
        ('(p', r'--groups \(p: neither a .csv file nor a regular expression \(missing \)'),
        ('none.csv', r'--groups none.csv: cannot be read'),
        ('^.', r'--groups \^\.: leaves .* no validation images; give a class two groups'),
        ('jpg', r'--groups jpg: puts all 60 images of .* into one group \(jpg\), .*; change the exp'),
    ],
)  # fmt: skip
def test_expressions_that_give_no_groups(fill, option, message):
    with pytest.raises(WrnError, match=message):
        find_splits(fill(PATIENTS), 0, option)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'has no column path and no column group; give the columns'),
        ('path,patient\na,b', 'has no column group; give the columns'),
        ('path,group\nx,1\nx,2\n', 'x is in two groups, 1 and 2; keep one'),
        ('path,group\nhealthy/p0_0.jpg\n', 'gives no group for 60 images of .*; add a line'),
        ('path,group\n"x', 'gives no group for 60 images'),
        ('path,group\n' + 'x' * 200_000, 'groups.csv'),
    ],
)
def test_tables_that_cannot_be_used(fill, tmp_path, caplog, text, message):
    caplog.set_level(logging.ERROR)
    (tmp_path / 'groups.csv').write_text(text)
    with pytest.raises(WrnError, match=message):
        find_splits(fill(PATIENTS), 0, str(tmp_path / 'groups.csv'))


def test_a_line_without_a_group(fill, tmp_path):
    """The image is listed: a line of its own would not help."""
    folder, table = fill(PATIENTS), tmp_path / 'groups.csv'
    find_splits(folder, 0, r'p\d+').write(tmp_path)
    table.write_text(table.read_text().replace('p0_0.jpg,p0', 'p0_0.jpg,'))
    with pytest.raises(WrnError, match=r'for 1 image of .*p0_0.jpg\); fill in the column group'):
        find_splits(folder, 0, str(table))


def test_a_table_with_the_paths_of_windows(fill, tmp_path, caplog):
    folder, table = fill(PATIENTS), tmp_path / 'groups.csv'
    expected = find_splits(folder, 0, r'p\d+')
    expected.write(tmp_path)
    table.write_text(table.read_text().replace('/', '\\'))
    assert find_splits(folder, 0, str(table)).images == expected.images
    assert 'groups.csv: \\ is taken as / in 60 paths' in caplog.text
    (folder / 'ill' / 'p5_0.jpg').rename(folder / 'ill' / r'p5\0.jpg')  # names may have it here
    expected = find_splits(folder, 0, r'p\d+')
    expected.write(tmp_path)
    assert find_splits(folder, 0, str(table)).groups == expected.groups


def distance(labels, chosen, share=0.2):
    """Return the chi-squared distance of the drawn images from the share of each class."""
    total = Counter(labels)
    drawn = Counter(label for label, is_drawn in zip(labels, chosen, strict=True) if is_drawn)
    return sum((drawn[c] - share * n) ** 2 / (share * n) for c, n in total.items())


def make_images(rng):
    labels, groups = [], []
    for group in range(rng.integers(5, 10)):
        for label in rng.permutation(3)[: rng.integers(1, 4)].tolist():
            size = rng.integers(1, 15)
            labels += [label] * size
            groups += [f'g{group}'] * size
    return labels, groups


def find_best(labels, groups):
    """Try all choices of groups. Return the number of classes without validation, and distance."""
    names = sorted({*groups})
    having = {c: {g for g, o in zip(groups, labels, strict=True) if o == c} for c in {*labels}}
    best = None
    for bits in itertools.product([False, True], repeat=len(names)):
        drawn = {name for name, bit in zip(names, bits, strict=True) if bit}
        if not any(of_class <= drawn for of_class in having.values()):
            missing = sum(len(g) > 1 and not g & drawn for g in having.values())
            found = missing, distance(labels, [group in drawn for group in groups])
            best = min(best or found, found)
    return best


def test_the_classes_are_as_even_as_whole_groups_allow(rng):
    """Of all choices of groups, nearly always the best; and better than scikit-learn's folds."""
    best = ours = theirs = optimal = 0
    for seed in range(40):
        labels, groups = make_images(rng)
        chosen = draw_groups(labels, groups, 0.2, seed)
        missing, least = find_best(labels, groups)
        found = distance(labels, chosen)
        optimal += found == pytest.approx(least)
        best, ours = best + least, ours + found
        drawn = {group for group, is_drawn in zip(groups, chosen, strict=True) if is_drawn}
        for label in {*labels}:
            having = {g for g, o in zip(groups, labels, strict=True) if o == label}
            assert having - drawn  # something to train with
            missing -= len(having) > 1 and not having & drawn
        assert missing == 0
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of fewer groups than folds
            folds = StratifiedGroupKFold(5).split(np.zeros(len(labels)), labels, groups)
            theirs += np.mean([distance(labels, np.isin(range(len(labels)), f)) for _, f in folds])
    assert optimal >= 36
    assert ours < 1.1 * best
    assert ours < theirs


def test_paths_that_begin_with_the_name_of_the_folder(fill, tmp_path):
    folder = fill(PATIENTS)
    name = folder.name
    (tmp_path / 'groups.csv').write_text(f'path,group\n{name}/a/1.png,x\n{name}/b/1.png,y\n')
    with pytest.raises(WrnError, match=f'gives no group .*; leave out {name}/ at the start'):
        find_splits(folder, 0, str(tmp_path / 'groups.csv'))
