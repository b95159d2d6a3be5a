"""Damage bytes and plain values, as a seeded random generator draws it."""

import copy
import struct
from collections.abc import Sequence
from random import Random
from typing import Any

# What JSON or Python cannot hold as a value, but may find in a text. See `spell`.
_SPELLED = {
    '@deep@': '[' * 100_000 + ']' * 100_000,
    '@deep object@': '{"a":' * 3_000 + '1' + '}' * 3_000,
    '@digits@': '9' * 10_000,
    '@infinite@': '1e999',
}
_VALUES = (
    *(None, True, False, 0, 1, 2, -1, 0.5, -0.5, 1e-320, 1e308, 10**6, 10**9),
    *(2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63), *_SPELLED),
    *('', 'x', 'x' * 100_000, '\x1b[2J', 'a\nb', '\u202e', '../x', 'é', [], {}, [[]]),
    *([0] * 10_000, [1, 2, 3], {'type': 'x'}, {'a': {'b': []}}),
)
_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40)
_HEAD = 256  # bytes, where most formats have their sizes


def mutate_bytes(rng: Random, content: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """Change one or a few places of a file, its start as often as all the rest."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        size = len(content)
        place = (
            rng.randrange(min(size, _HEAD) or 1) if rng.random() < 0.5 else rng.randrange(size or 1)
        )
        length = min(rng.choice((1, 2, 4, 8, 64, 1000)), size - place)
        block = content[place : place + length]
        match rng.randrange(9):
            case 0 | 1 if size:
                content[place] ^= 1 << rng.randrange(8)
            case 2:
                content[place : place + length] = rng.randbytes(length)
            case 3:
                form = rng.choice(('B', '<H', '>H', '<I', '>I', '<Q', '>Q'))
                number = rng.choice(_INTEGERS) % (1 << 8 * struct.calcsize(form))
                content[place : place + struct.calcsize(form)] = struct.pack(form, number)
            case 4:
                del content[place:]
            case 5:
                del content[place : place + length]
            case 6:
                content[place:place] = block * rng.choice((1, 2, 100))
            case 7:
                content[place : place + length] = bytes(length)
            case 8:
                content[place:place] = rng.choice(tokens) if tokens else rng.randbytes(length)
    return bytes(content)


def mutate_text(rng: Random, text: str, tokens: Sequence[str]) -> str:
    """Change a text as bytes, and keep it UTF-8."""
    content = mutate_bytes(rng, text.encode(), [token.encode() for token in tokens])
    return content.decode(errors='replace')


def mutate_value(rng: Random, value: Any) -> Any:
    """Change one or a few parts of a value of JSON's types."""
    whole = {'': copy.deepcopy(value)}
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _mutate_part(rng, whole)
    return whole['']


def _mutate_part(rng: Random, whole: dict[str, Any]) -> None:
    parent, key = whole, ''
    while isinstance(parent[key], dict | list) and parent[key] and rng.random() < 0.85:
        parent = parent[key]
        key = rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    value = parent[key]
    match rng.randrange(6):
        case 0 if isinstance(value, int | float) and not isinstance(value, bool):
            parent[key] = rng.choice(
                (-value, value + 1, value * 2, value * 1000, value / 3, str(value))
            )
        case 1 if isinstance(value, str) and value:
            parent[key] = mutate_text(rng, value, ('\x1b[31m', '\n', ',', '"', "'", '(', '0'))
        case 1 if isinstance(value, list) and value:
            parent[key] = rng.choice((value * 2, value * 1000, value[1:], value[::-1]))
        case 2 if parent is not whole:
            del parent[key]
        case 3 if isinstance(parent, dict) and parent is not whole:
            parent[rng.choice(('x', '', 'type', f'{key}x', '@deep@', '\x1b[2J'))] = parent.pop(key)
        case 4:
            others = list(whole.values())
            for other in others:
                if len(others) < 500 and isinstance(other, dict | list):
                    others.extend(other.values() if isinstance(other, dict) else other)
            parent[key] = copy.deepcopy(rng.choice(others))
        case _:
            parent[key] = copy.deepcopy(rng.choice(_VALUES))


def spell(text: str) -> str:
    """Replace the markers among the values, which a writer has quoted, by what they stand for."""
    for marker, spelling in _SPELLED.items():
        for quote in '"\'':
            text = text.replace(f'{quote}{marker}{quote}:', f'{quote}x{quote}:')  # a key
            text = text.replace(f'{quote}{marker}{quote}', spelling)
    return text
