"""A command that a message suggests can be pasted into a shell, whatever the paths are."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from mmengine.config import Config

import wrn
from wrn.data.images import LeftOut
from wrn.data.splitting import Splits
from wrn.training.finetune_folder import check_images
from wrn_base.errors import WrnError

ROOMS = (Path(wrn.__file__).parent, Path(wrn.__file__).parent.parent / 'wrn_base')
FILES = [path for room in ROOMS for path in room.rglob('*.py')]


def test_a_folder_with_a_space_is_quoted(tmp_path):
    folder = tmp_path / "Ben's cells"
    folder.mkdir()
    (folder / 'a.png').write_text('<html>')
    images = [('a.png', 0)]
    splits = Splits(folder, ['a'], dict(train=images, val=images, test=images), False, LeftOut())
    cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=[dict(type='LoadImage')]))))
    with pytest.raises(WrnError) as error:
        check_images(cfg, splits)
    command = re.search('`(.*)`', str(error.value))[1]
    assert shlex.split(command) == ['wrn', 'check-data', str(folder)]


def test_values_in_commands_are_quoted():
    """Each value behind ``wrn COMMAND`` in a message comes from shlex."""
    found = 0
    for path in FILES:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            before = ''
            for part in node.values if isinstance(node, ast.JoinedStr) else ():
                if isinstance(part, ast.Constant):
                    before += part.value
                elif re.search(r'(?<![\w.])wrn [a-z-]{3,}[^`:;\n]*$', before):
                    value = ast.unparse(part.value)
                    assert 'shlex.' in value or f'{value} = shlex.' in text, f'{path}: {value}'
                    found += 1
    assert found > 5
