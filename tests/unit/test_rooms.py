"""The house: how many rooms a call passes, and that names of modules are not used twice."""

import sys
from collections import defaultdict
from itertools import groupby
from pathlib import Path

import wrn

ROOT = Path(wrn.__file__).parent
# A command has the name of what it calls; engines and exported files are for the same runtimes.
PARALLEL = {'deploy/engines', 'deploy/export'}


def test_get_model_enters_few_rooms():
    entered = []

    def enter(frame, event, _):
        if event == 'call' and frame.f_code.co_filename.startswith(f'{ROOT}/'):
            room, *below = Path(frame.f_code.co_filename).relative_to(ROOT).parts
            if below:
                entered.append(room)

    sys.setprofile(enter)
    try:
        wrn.get_model('wide-resnet16-2_1xb64_digits', True)
    finally:
        sys.setprofile(None)
    print(f'{sorted(set(entered))}, {sum(1 for _ in groupby(entered)) - 1} changes of room')
    assert len(set(entered)) <= 7


def test_modules_have_names_of_their_own():
    places = defaultdict(set)
    for path in ROOT.rglob('*.py'):
        if not path.name.startswith('__'):
            places[path.stem].add(path.parent.relative_to(ROOT).as_posix())
    twice = {name: found - {'cli'} for name, found in places.items()}
    assert [name for name, found in twice.items() if len(found) > 1 and found != PARALLEL] == []
