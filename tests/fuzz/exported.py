"""Exported files: ONNX and OpenVINO."""

import hashlib
import html
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from harness import Target
from mutate import mutate_bytes, mutate_text, mutate_value, spell
from weights import DIGITS, IMAGE

from wrn.deploy.export.formats.onnx import _DIGEST, _digest
from wrn.deploy.export.metadata import KEY
from wrn_base.cli import main

_TOKENS = (
    '<layer id="9"/>',
    '<!DOCTYPE x [<!ENTITY a "b">]>',
    '&lt;',
    '-1',
    '99999999999',
    '<' * 1000,
    '"',
)
_OPERATORS = ('Add', 'Conv', 'Gemm', 'Expand', 'Range', 'Tile', 'ConstantOfShape', 'Loop')
_NUMBERS = (0, 1, -1, 2, 7, 1000, 2**31 - 1, 2**62, -(2**63))


def _export(name: str) -> dict[str, bytes]:
    """Export the embedded model, in another process: its runtime starts threads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        kind = 'onnx' if path.suffix == '.onnx' else 'openvino'
        command = [
            sys.executable,
            '-m',
            'wrn',
            'export',
            DIGITS,
            '--format',
            kind,
            '--out',
            str(path),
        ]
        subprocess.run(command, check=True, capture_output=True)
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def _commands(rng: Random, name: str) -> Callable[[], None]:
    arguments = rng.choice((['info', name], ['predict', IMAGE, '--model', name]))
    return lambda: main(arguments)


def onnx_file() -> Target:
    """Bytes of an ONNX file, its metadata, and fields of its graph under a valid digest."""
    import onnx

    whole = _export('x.onnx')['x.onnx']

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        model = onnx.load_model_from_string(whole)
        texts = {entry.key: entry for entry in model.metadata_props}
        kind = rng.random()
        if kind < 0.3:
            texts[KEY].value = _mutate_json(rng, texts[KEY].value)
        elif kind < 0.8:
            fields = list(_find_fields(model.graph))
            for _ in range(rng.choice((1, 1, 2, 4))):
                _mutate_field(rng, *rng.choice(fields))
            texts[_DIGEST].value = _digest(model)
        content = model.SerializeToString()
        folder.joinpath('x.onnx').write_bytes(content if kind < 0.8 else mutate_bytes(rng, content))
        return _commands(rng, 'x.onnx')

    return target


def openvino_file() -> Target:
    """Text and values of an OpenVINO file, its metadata, and its weights under a valid hash."""
    files = _export('x.xml')
    xml, weights = files['x.xml'].decode(), files['x.bin']
    digest = hashlib.sha256(weights).hexdigest()
    assert digest in xml
    text = re.search(rf'<{KEY} value="(.*?)"', xml)[1]
    values = [match.span(1) for match in re.finditer(r'="([^"{}]*)"', xml)]
    dims = [match.span(1) for match in re.finditer(r'<dim>(.*?)</dim>', xml)]

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        changed, data = xml, weights
        match rng.randrange(6):
            case 0:
                new = html.escape(_mutate_json(rng, html.unescape(text)))
                changed = xml.replace(text, new)
            case 1:
                changed = mutate_text(rng, xml, _TOKENS)
            case 2:
                data = mutate_bytes(rng, weights)
                changed = xml.replace(digest, hashlib.sha256(data).hexdigest())
            case _:
                for start, end in sorted(
                    rng.sample(rng.choice((values, dims)), rng.choice((1, 1, 2)))
                )[::-1]:
                    number = rng.choice(
                        (
                            *_NUMBERS,
                            '',
                            'x',
                            '1,2,3,4',
                            'f16',
                            'i4',
                            'string',
                            'dynamic',
                            '?',
                            xml[start:end] + '0',
                        )
                    )
                    changed = changed[:start] + str(number) + changed[end:]
        folder.joinpath('x.xml').write_text(changed)
        folder.joinpath('x.bin').write_bytes(data)
        return _commands(rng, 'x.xml')

    return target


def _mutate_json(rng: Random, text: str) -> str:
    if rng.random() < 0.2:
        return mutate_text(rng, text, ('[' * 5000, '1e999', '-1', 'null', '"'))
    return spell(json.dumps(mutate_value(rng, json.loads(text)), ensure_ascii=True))


def _find_fields(message: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each message below one, with each of its fields."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type:
            items = value if hasattr(value, 'add') else [value]
            for item in items:
                yield from _find_fields(item)


def _mutate_field(rng: Random, message: Any, field: Any) -> None:
    value = getattr(message, field.name)
    if hasattr(value, 'add') or hasattr(value, 'append'):
        if not value:
            return
        index = rng.randrange(len(value))
        match rng.randrange(4):
            case 0:
                del value[index]
            case 1 if hasattr(value, 'add'):
                value.add().CopyFrom(value[index])
            case 1:
                value.extend([value[index]] * rng.choice((1, 9)))
            case _ if not hasattr(value, 'add'):
                value[index] = _change(rng, value[index], field)
    elif field.message_type:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _change(rng, value, field))


def _change(rng: Random, value: Any, field: Any) -> Any:
    if isinstance(value, str):
        return rng.choice((*_OPERATORS, '', 'input', 'x', f'{value}x', '\x1b[2J'))
    if isinstance(value, bytes):
        return mutate_bytes(rng, value)
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, 1e30, float('nan'), float('inf')))
    if field.enum_type:
        return rng.choice(field.enum_type.values).number
    number = rng.choice(_NUMBERS)
    return number if field.type == field.TYPE_INT64 else number % 30
