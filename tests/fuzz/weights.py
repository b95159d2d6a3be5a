"""Files of weights: the embedded ones as .safetensors and .pth, their metadata and their config."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from harness import Target
from mutate import mutate_bytes, mutate_text, mutate_value, spell

from wrn.checkpoints import read_checkpoint
from wrn.config.config_file import parse_config
from wrn_base import model_index
from wrn_base.cli import main

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGE = str(CHECKOUT / 'demo' / 'digit_7.png')
DIGITS = 'wide-resnet16-2_1xb64_digits'
_TOKENS = (
    '[' * 2000,
    '{',
    '}',
    '"',
    "'",
    '\\',
    '1e999',
    '-1',
    '99999999999999999999',
    'null',
    'dict(',
    '__import__("os")',
    '**',
    '\x1b[2J',
    '\n',
)


def embedded() -> Path:
    """Return the path of the embedded weights."""
    return Path(model_index.models()[DIGITS].weights)


def commands(rng: Random, name: str) -> Callable[[], None]:
    """Return a command that reads a file of weights."""
    arguments = rng.choice(
        (
            ['info', name],
            ['predict', IMAGE, '--model', name],
            ['predict', IMAGE, '--checkpoint', name],
            ['convert', name, 'out.pth'],
            ['convert', name, 'out.safetensors', '--to', 'authors-cifar'],
            ['features', IMAGE, '--model', name, '--out', 'x.npy', '--stages', 'layer3'],
            ['publish', name, 'published.safetensors'],
        )
    )
    return lambda: main(arguments)


def safetensors() -> Target:
    """Bytes of the file, and values of the header."""
    whole = embedded().read_bytes()
    header, data = _split(whole)

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        content = (
            _join(mutate_value(rng, header), data)
            if rng.random() < 0.6
            else mutate_bytes(rng, whole)
        )
        folder.joinpath('x.safetensors').write_bytes(content)
        return commands(rng, 'x.safetensors')

    return target


def metadata() -> Target:
    """Values of the ``meta`` in both formats, and its text."""
    header, data = _split(embedded().read_bytes())
    text = header['__metadata__']['meta']
    checkpoint = read_checkpoint(embedded())

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        if rng.random() < 0.3:
            meta = mutate_value(rng, json.loads(text))
            torch.save(checkpoint | dict(meta=meta), folder / 'x.pth')
            return commands(rng, 'x.pth')
        if rng.random() < 0.2:
            meta = mutate_text(rng, text, _TOKENS)
        else:
            meta = spell(json.dumps(mutate_value(rng, json.loads(text))))
        folder.joinpath('x.safetensors').write_bytes(
            _join({**header, '__metadata__': dict(meta=meta)}, data)
        )
        return commands(rng, 'x.safetensors')

    return target


def config_text() -> Target:
    """Values of the config in the metadata, and its text."""
    header, data = _split(embedded().read_bytes())
    meta = json.loads(header['__metadata__']['meta'])
    values = parse_config(meta['cfg']).to_dict()

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        if rng.random() < 0.25:
            cfg = mutate_text(rng, meta['cfg'], _TOKENS)
        else:
            cfg = write_python(mutate_config(rng, values))
        changed = {**header, '__metadata__': dict(meta=json.dumps(meta | dict(cfg=cfg)))}
        folder.joinpath('x.safetensors').write_bytes(_join(changed, data))
        return commands(rng, 'x.safetensors')

    return target


def pth() -> Target:
    """Bytes of both formats of torch, of the pickle in the zip file, and the kinds of tensors."""
    checkpoint = read_checkpoint(embedded())
    zipped, legacy = (_save(checkpoint, zip) for zip in (True, False))

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        match rng.randrange(5):
            case 0:
                content = mutate_bytes(rng, zipped)
            case 1:
                content = mutate_bytes(rng, legacy)
            case 2 | 3:
                content = _mutate_member(rng, zipped)
            case _:
                content = _save(_mutate_objects(rng, checkpoint), rng.random() < 0.5)
        folder.joinpath('x.pth').write_bytes(content)
        return commands(rng, 'x.pth')

    return target


def mutate_config(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    """Change values of a config, most often below the keys that inference uses."""
    keys = [key for key in ('model', 'data_preprocessor', 'test_dataloader') if key in values]
    if rng.random() < 0.2:
        changed = mutate_value(rng, values)
        return changed if isinstance(changed, dict) else {'x': changed}
    return {**values, **mutate_dict(rng, {key: values[key] for key in keys})}


def mutate_dict(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    """Change values below keys that stay."""
    key = rng.choice(list(values))
    return {**values, key: mutate_value(rng, values[key])}


def write_python(values: dict[str, Any]) -> str:
    """Return a config as Python text."""
    return spell('\n'.join(f'{key} = {value!r}' for key, value in values.items()))


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack('<Q', content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _join(header: Any, data: bytes) -> bytes:
    text = spell(json.dumps(header)).encode()
    return struct.pack('<Q', len(text)) + text + data


def _save(checkpoint: Any, zip: bool) -> bytes:
    file = io.BytesIO()
    torch.save(checkpoint, file, _use_new_zipfile_serialization=zip)
    return file.getvalue()


def _mutate_member(rng: Random, content: bytes) -> bytes:
    """Change a small member of a zip file, such as the pickle, with a valid checksum."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, 'w') as new:
        names = old.namelist()
        small = [name for name in names if old.getinfo(name).file_size < 1000]
        chosen = rng.choice([name for name in names if name.endswith('.pkl')] * 20 + small)
        for name in names:
            member = old.read(name)
            if name == chosen:
                tokens = (
                    b'K\xff',
                    b'J\xff\xff\xff\x7f',
                    b']' * 3000,
                    b'R',
                    b'.',
                    b'cos\nsystem\n',
                    b'h\0',
                    b'(',
                    b't',
                    b'\x8a\xff',
                )
                member = mutate_bytes(rng, member, tokens)
            new.writestr(
                name, member, rng.choice((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,))
            )
    return file.getvalue()


def _mutate_objects(rng: Random, checkpoint: dict[str, Any]) -> Any:
    """Replace a tensor by one of another kind, or another object."""
    weights = dict(checkpoint['state_dict'])
    key = rng.choice(list(weights))
    value = weights[key]
    weights[key] = rng.choice(
        (
            lambda: value.half(),
            lambda: value.to(torch.complex64),
            lambda: value.long(),
            lambda: value.bool(),
            lambda: value.flatten(),
            lambda: value[None],
            lambda: value.flatten()[:0],
            lambda: value.reshape(-1)[0],
            lambda: value.to('meta'),
            lambda: value.flatten()[:1].expand(10**12),
            lambda: value.flatten()[:1].expand(10**5, 10**5),
            lambda: value.double() * float('nan'),
            lambda: value.float().to_sparse(),
            lambda: torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8),
            lambda: torch.nn.Parameter(value.float()),
            lambda: None,
            lambda: [value] * 3,
            lambda: 'x' * 1000,
            lambda: {key: value},
            lambda: value.numpy(),
        )
    )()
    if rng.random() < 0.3:
        new = rng.choice(
            (
                '',
                '.',
                'x',
                0,
                None,
                ('a', 'b'),
                'layer1.0.conv1.weight',
                '\x1b[2J.weight',
                'a\nb.c',
                'x' * 10_000 + '.w',
            )
        )
        weights[new] = weights.pop(rng.choice(list(weights)))
    return rng.choice(
        (
            checkpoint | dict(state_dict=weights),
            weights,
            dict(model=weights, ema=weights),
            [weights],
        )
    )
