"""Images that look alike are found, exactly, in bounded time, and without guesses."""

import io
import json

import imagehash
import numpy as np
import pytest
from image_files import found, write
from PIL import Image, ImageDraw, ImageEnhance
from sklearn.datasets import load_sample_images

from wrn.data.check_folder import KINDS, check_folder
from wrn.data.images import Reading
from wrn.data.near_duplicates import find_near_duplicates
from wrn.data.perceptual_hash import hash_content, hash_pixels
from wrn.data.similar_hashes import DISTANCE, match_hashes
from wrn.utils.packages import require_extra
from wrn_base.cli import main
from wrn_base.errors import WrnError


def draw(seed, size=(240, 200)):
    """Return a drawing of random ellipses."""
    rng = np.random.default_rng(seed)
    image = Image.new('RGB', (240, 200), tuple(rng.integers(0, 256, 3).tolist()))
    for _ in range(6):
        x, y = rng.integers(0, 200, 2).tolist()
        a, b = rng.integers(15, 120, 2).tolist()
        ImageDraw.Draw(image).ellipse((x, y, x + a, y + b), tuple(rng.integers(0, 256, 3).tolist()))
    return image.resize(size)


def encode(image, format='PNG', **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def compare_all(hashes, splits, classes):
    """Match each hash as the documentation says, by comparing all pairs."""
    matches, firsts = {}, {}
    for i, key in enumerate(zip(hashes.tolist(), splits, classes, strict=True)):
        first = firsts.setdefault(key, i)
        if first < i:
            inherited = [m for m in matches[first] if m[3]]
            matches[i] = inherited or [(first, 0, i, False)]
            continue
        near = [(int(hashes[i] ^ hashes[j]).bit_count(), j) for j in range(i)]
        near = [(distance, j) for distance, j in near if distance <= DISTANCE]
        other_split = [pair for pair in near if splits[pair[1]] != splits[i]]
        other_class = [
            pair
            for pair in near
            if min(classes[pair[1]], classes[i]) >= 0 and classes[pair[1]] != classes[i]
        ]
        chosen = {min(pairs) for pairs in (other_split, other_class) if pairs}
        matters = bool(chosen)
        chosen = chosen or ({min(near)} if near else set())
        matches[i] = [(j, distance, i, matters) for distance, j in chosen]
    return sorted((i, m[0], m[1]) for i, listed in matches.items() for m in listed)


def group_all(hashes):
    """Return the connected components of the hashes that are close, by a search from each."""
    near = [np.flatnonzero(np.bitwise_count(hashes ^ value) <= DISTANCE) for value in hashes]
    groups, seen = [], set()
    for start in range(len(hashes)):
        group, todo = set(), [start]
        while todo:
            i = todo.pop()
            todo += [] if i in group else near[i].tolist()
            group.add(i)
        if start not in seen and len(group) > 1:
            groups.append(sorted(group))
        seen |= group
    return groups


@pytest.mark.parametrize('flips', range(6))
def test_the_matches_are_those_of_all_pairs(flips):
    rng = np.random.default_rng(flips)
    hashes = rng.integers(0, 1 << 63, 15, dtype=np.uint64)[rng.integers(0, 15, 400)]
    for _ in range(flips):
        hashes = hashes ^ np.uint64(1) << rng.integers(0, 64, 400).astype(np.uint64)
    splits, classes = rng.integers(0, 3, 400), rng.integers(-1, 4, 400)
    found = match_hashes(hashes, splits, classes, np.full(400, -1))
    expected = compare_all(hashes, splits.tolist(), classes.tolist())
    assert found.complete
    assert [tuple(match) for match in found.matches] == expected
    assert len(expected) > 30
    assert found.groups == group_all(hashes)


@pytest.mark.parametrize('bits', range(1, 7))
def test_every_pattern_of_bits_is_found_up_to_the_distance(bits):
    rng = np.random.default_rng(0)
    for _ in range(50):
        places = rng.choice(64, bits, replace=False)
        pair = np.array([0, sum(1 << int(place) for place in places)], np.uint64)
        zeros = np.zeros(2, int)
        found = match_hashes(pair, zeros, zeros, zeros - 1)
        assert found.matches == ([(1, 0, bits)] if bits <= DISTANCE else [])
        assert found.groups == ([[0, 1]] if bits <= DISTANCE else [])


@pytest.mark.parametrize('hashes', [np.zeros(20_000, np.uint64), np.arange(2000, dtype=np.uint64)])
def test_images_that_are_all_alike(hashes):
    """Each is matched once, and not with every other one."""
    zeros = np.zeros(len(hashes), int)
    found = match_hashes(hashes, zeros, zeros, zeros - 1)
    assert found.complete
    assert [match.image for match in found.matches] == [*range(1, len(hashes))]
    assert found.groups == [[*range(len(hashes))]]


def test_members_that_match_only_through_others_are_grouped():
    """0 to 2 are a chain whose ends differ in 8 bits. 3 to 5 match only 6, not one another."""
    far = 0xFFFF << 40
    hashes = [0, 0xF, 0xFF, far, far ^ 0x1F, far ^ 0x1F0, far ^ 0x7]
    hashes = np.array([*hashes, *np.full(50, far)], np.uint64)
    classes = np.arange(len(hashes))
    found = match_hashes(hashes, classes * 0, classes, classes * 0 - 1)
    assert found.groups == group_all(hashes)
    assert found.groups[0] == [0, 1, 2]


def test_a_copy_of_the_same_content_is_preferred():
    """As is the closest image; then the first one counts."""
    hashes = np.array([0, 0, 0, 1, 0], np.uint64)
    splits = np.array([0, 0, 0, 0, 1])
    classes = np.array([0, 0, 1, 0, 0])
    found = match_hashes(hashes, splits, classes, np.array([5, 6, 7, 8, 7]))
    assert [m[1:] for m in found.matches if m.image == 4] == [(2, 0)]
    found = match_hashes(hashes, splits, classes, np.array([5, 7, 6, 8, 7]))
    assert [m[1:] for m in found.matches if m.image == 4] == [(1, 0), (2, 0)]


def test_a_search_that_would_take_too_long_says_so():
    zeros = np.zeros(2000, int)
    hashes = np.arange(2000, dtype=np.uint64)
    found = match_hashes(hashes, zeros, zeros, zeros - 1, comparisons=5000)
    assert not found.complete
    assert len(found.matches) > 500


def test_copies_of_photographs_and_drawings():
    """By imagehash's hash of the whole image, of which a JPEG is not decoded whole."""
    photographs = [
        Image.fromarray(pixels).crop((x, 20, x + 300, 400))
        for pixels in load_sample_images().images
        for x in (0, 100, 200)
    ]
    for image in [*photographs, *map(draw, range(20))]:
        value = hash_content(encode(image), 'x.png')
        bits = imagehash.phash(image).hash.flatten()
        gray = sum(bool(bit) << 63 - i for i, bit in enumerate(bits))
        assert (value ^ gray).bit_count() <= 2  # OpenCV rounds the gray values elsewhere
        half = image.resize((image.width // 2, image.height // 2))
        large = image.resize((image.width * 4, image.height * 4))
        for copy in (
            encode(image, 'JPEG', quality=75),
            encode(large, 'JPEG', quality=75),
            encode(half),
            encode(ImageEnhance.Brightness(image).enhance(0.9)),
        ):
            assert (hash_content(copy, 'x') ^ value).bit_count() <= DISTANCE
        mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert (hash_content(encode(mirrored), 'x') ^ value).bit_count() > DISTANCE


def test_images_without_features_have_no_hash():
    rng = np.random.default_rng(0)
    noise = (
        (128 + rng.normal(0, 2, (99, 99))).round().astype(np.uint8)
    )  # as in a scan of a blank page
    tiny = rng.integers(0, 256, (3, 300, 3), dtype=np.uint8)
    for pixels in (np.zeros((50, 60, 3), np.uint8), np.full((8, 8), 200, np.uint8), noise, tiny):
        assert hash_pixels(pixels) is None
    assert hash_pixels(rng.integers(0, 256, (4, 4), dtype=np.uint8)) is not None
    found = find_near_duplicates(
        [np.full((9, 9, 3), n, np.uint8) for n in (0, 0, 255)], 'aab', 'xyz'
    )
    assert (found.matches, found.flat) == ([], 3)
    assert '3 images of nearly one color' in found.describe()


def test_files_and_arrays_that_are_made_on_demand(tmp_path):
    content = encode(draw(0))
    write(tmp_path, **{'a.png': content, 'bad.png': content[:99], 'text.jpg': b'hello'})
    files = [
        str(tmp_path / name) for name in ('a.png', 'bad.png', 'text.jpg', 'none.png', 'x://y.png')
    ]
    pixels = np.asarray(draw(0))[..., ::-1]

    class Images(list):
        taken = 0

        def __getitem__(self, i):
            self.taken += 1
            return super().__getitem__(i)

    images = Images([*files, pixels, np.zeros(3)])
    found = find_near_duplicates(images, ['train'] * 5 + ['test'] * 2, [0] * 7)
    assert found.matches == [(5, 0, 0)]
    assert found.groups == [[0, 5]]
    assert (found.compared, found.unreadable, found.flat) == (2, 5, 0)
    assert images.taken == 7
    assert '5 images cannot be read' in found.describe()


def test_values_of_more_than_8_bits():
    """Those of 12 bits have 16 levels of 256, unless their range is given."""
    dark = np.asarray(draw(0).convert('L')).astype(np.uint16) << 1
    assert find_near_duplicates([dark], [0], [0]).flat == 1
    reading = Reading(value_range=(0, 511))
    found = find_near_duplicates([dark, np.asarray(draw(0))[..., ::-1]], [0, 1], [0, 0], reading)
    assert [match[:2] for match in found.matches] == [(1, 0)]


def test_a_sample_is_spread_evenly_and_said():
    images = [np.asarray(draw(i // 10, (40, 40))) for i in range(100)]
    found = find_near_duplicates(images, [0] * 100, [0] * 100, most=20)
    assert (found.compared, found.left_out) == (20, 80)
    assert [match[:2] for match in found.matches] == [(10 * i + 5, 10 * i) for i in range(10)]
    assert found.groups == [[10 * i, 10 * i + 5] for i in range(10)]
    assert '80 left out, evenly spread over all' in found.describe()
    assert find_near_duplicates([], [], []).matches == []


def test_equal_images_of_many_classes():
    """Each is matched with the first one."""
    pixels = np.asarray(draw(0, (16, 16)))
    found = find_near_duplicates([pixels] * 500, ['train'] * 500, [*range(500)])
    assert {match.distance for match in found.matches} == {0}
    assert [match[:2] for match in found.matches] == [(i, 0) for i in range(1, 500)]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'data'
    folders = [f'{split}/{name}' for split in ('train', 'val') for name in ('cat', 'dog')]
    images = {f'{folders[i // 4]}/{i % 4}.png': draw(i) for i in range(16)}
    for path, image in images.items():
        write(root, **{path: encode(image)})
    jpeg = {path: encode(image, 'JPEG') for path, image in images.items()}
    half = {path: encode(image.resize((120, 100))) for path, image in images.items()}
    write(
        root,
        **{
            'train/cat/a.jpg': jpeg['train/cat/0.png'],
            'train/dog/b.png': half['train/cat/1.png'],
            'val/cat/c.jpg': jpeg['train/cat/2.png'],
            'val/cat/d.png': half['train/dog/0.png'],
            'val/dog/e.png': encode(images['train/dog/1.png']),  # the same bytes
            'val/dog/blank.png': encode(Image.new('RGB', (50, 50))),
            'val/dog/white.png': encode(Image.new('RGB', (60, 60), 'white')),
        },
    )
    return root


def test_check_data_reports_what_looks_alike(folder, tmp_path, fails, capsys):
    exact = {('leak', 'val/dog/e.png'): 1}
    assert found(folder) == exact
    report = check_folder(folder, near=True)
    reasons = {(p.kind, p.path): p.reason.partition(' (')[0] for p in report.problems}
    assert reasons == {
        ('leak', 'val/dog/e.png'): 'same content as train/dog/1.png',
        ('near-duplicate', 'train/cat/a.jpg'): 'looks like train/cat/0.png',
        ('near-conflict', 'train/dog/b.png'): 'looks like train/cat/1.png',
        ('near-leak', 'val/cat/c.jpg'): 'looks like train/cat/2.png',
        ('near-leak', 'val/cat/d.png'): 'looks like train/dog/0.png',
        ('near-conflict', 'val/cat/d.png'): 'looks like train/dog/0.png',
    }
    assert {kind for kind, _ in reasons} <= KINDS.keys()
    error = fails('check-data', folder, '--near', '--out', tmp_path / 'r.json')
    assert '6 problems found' in error
    printed, errors = capsys.readouterr()
    assert '21 images compared by perceptual hashes' in errors
    assert 'left out: 2 images of nearly one color' in errors
    assert 'near-leak' in printed
    written = json.loads((tmp_path / 'r.json').read_text())
    assert written['near'] == report.near
    assert {(p['kind'], p['path']) for p in written['problems']} == set(reasons)


def test_a_copy_in_a_group_is_reported_beside_its_exact_copies(tmp_path):
    """Each file of a group is named, so that removing one does not leave another unseen."""
    image = draw(0)
    write(
        tmp_path,
        **{
            'train/cat/copy.jpg': encode(image, 'JPEG'),
            'train/cat/small.png': encode(image.resize((120, 100))),
            'train/dog/exact.png': encode(image),
            'train/dog/other.png': encode(draw(1)),
            'test/cat/a.png': encode(image),
            'test/cat/b.png': encode(draw(2)),
            'test/dog/c.png': encode(image.resize((60, 50))),
        },
    )
    problems = check_folder(tmp_path, near=True).problems
    kinds = {(p.kind, p.path) for p in problems}
    assert {(p.kind, p.reason) for p in problems if p.path == 'test/cat/a.png'} == {
        (kind, 'same content as train/dog/exact.png') for kind in ('leak', 'conflict')
    }
    assert {('near-duplicate', 'train/cat/small.png'), ('near-leak', 'test/dog/c.png')} <= kinds
    assert ('near-conflict', 'train/dog/exact.png') in kinds
    near = [p.reason for p in problems if p.kind.startswith('near-')]
    assert all('; 3 other images in this group of images that look alike' in r for r in near)


def test_what_is_not_found_is_said():
    found = find_near_duplicates([np.asarray(draw(0))], [0], [0]).describe()
    assert 'find most copies in another size, file format or quality' in found
    assert 'but miss mirrored, rotated and most cropped ones' in found
    assert ' bits' not in found


def test_no_problem_of_images_that_differ(make_image_folder, capsys):
    root = make_image_folder()
    main(['check-data', str(root), '--near', '--json'])
    written = json.loads(capsys.readouterr().out)
    assert written['problems'] == []
    assert written['near'].startswith('36 images compared')
    main(['check-data', str(root), '--json'])
    assert json.loads(capsys.readouterr().out)['near'] == ''


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(folder=None), 'folder: is of type NoneType; give a path'),
        (dict(folder='x', ann_file=3), 'ann_file: is of type int; give a path'),
        (dict(folder='x', near='no'), 'near: is of type str; give True or False'),
    ],
)
def test_wrong_types_are_refused(arguments, message):
    with pytest.raises(WrnError, match=f'^{message}$'):
        check_folder(**arguments)


def test_the_missing_package_is_named():
    with pytest.raises(WrnError) as error:
        require_extra('--near', 'report', 'imagehash', 'no_such_package_of_wrn')
    assert str(error.value) == (
        "--near: no_such_package_of_wrn is not installed; pip install 'mmpretrain-wrn[report]'"
    )
    require_extra('--near', 'report', 'imagehash')
