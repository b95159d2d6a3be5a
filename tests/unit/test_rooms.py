"""The number of rooms that a call enters, and unique module names."""

import sys
from collections import defaultdict
from itertools import groupby
from pathlib import Path

import wrn

ROOT = Path(wrn.__file__).parent
# Commands may share names with what they call. Engines and export formats share their runtimes.
PARALLEL = {'deploy/engines', 'deploy/export/formats'}


def test_get_model_enters_few_rooms():
    entered = []

    def enter(frame, event, _):
        if event == 'call' and frame.f_code.co_filename.startswith(f'{ROOT}/'):
            room, *rest = Path(frame.f_code.co_filename).relative_to(ROOT).parts
            if rest and room != '.mim':  # the configs of an installed package
                entered.append(room)

    sys.setprofile(enter)
    try:
        wrn.get_model('wide-resnet16-2_1xb64_digits', True)
    finally:
        sys.setprofile(None)
    print(f'{sorted(set(entered))}, {sum(1 for _ in groupby(entered)) - 1} changes of room')
    assert len(set(entered)) <= 7


def test_module_names_are_unique():
    folders = defaultdict(set)
    for path in ROOT.rglob('*.py'):
        below = path.relative_to(ROOT)
        if not path.name.startswith('__') and below.parts[0] != '.mim':
            folders[path.stem].add(below.parent.as_posix())
    rooms = {name: found - {'cli', 'jobs'} for name, found in folders.items()}
    assert [name for name, found in rooms.items() if len(found) > 1 and found != PARALLEL] == []
