"""Configs as data, and the partial files of runs and downloads."""

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NoReturn
from unittest import mock

import sklearn.datasets  # noqa: F401 - too slow to import in each child
import yaml
from harness import Target, WrongResultError, silent_in_new_folder
from mmengine.config import Config
from mutate import mutate_bytes, mutate_text, spell
from weights import CHECKOUT, DIGITS, IMAGE, embedded, mutate_config, write_python

from wrn.download.http import download
from wrn.results.partial_file import PartialFile
from wrn_base.cli import main

_TOKENS = (
    '!!python/object/apply:os.system [x]',
    '&a [*a]',
    '*x',
    '{',
    '[' * 3000,
    '1e999',
    '-',
    ': ',
    '\t',
    '\x1b[2J',
    '\n',
    '"',
    'null',
    '_base_: x.yaml\n',
    '!!binary x',
    '<<: {}',
)


def config() -> Target:
    """Values and text of a YAML and a JSON config, and values of a Python one."""
    values = Config.fromfile(CHECKOUT / 'configs' / 'wrn' / f'{DIGITS}.py').to_dict()
    texts = {'x.yaml': yaml.safe_dump(json.loads(json.dumps(values))), 'x.json': json.dumps(values)}

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        name = rng.choice(('x.yaml', 'x.yaml', 'x.json', 'x.json', 'x.py'))
        if name == 'x.py':
            text = write_python(mutate_config(rng, values))
        elif rng.random() < 0.4:
            text = mutate_text(rng, texts[name], _TOKENS)
        else:  # JSON is YAML
            text = spell(json.dumps(mutate_config(rng, json.loads(texts['x.json']))))
        folder.joinpath(name).write_text(text, errors='surrogateescape')
        arguments = rng.choice(
            (
                ['info', name],
                ['predict', IMAGE, '--model', name, '--checkpoint', str(embedded())],
                ['convert', str(embedded()), 'out.pth', '--config', name],
                ['test', name, str(embedded()), '--cfg-options', 'test_dataloader.num_workers=0'],
            )[: 4 if rng.random() < 0.2 else 3]
        )
        return lambda: main(arguments)

    return target


def partial(command: str, out: str, *options: str) -> Target:
    """Bytes of the partial file of an interrupted run. Resuming it must give the same file."""
    images = [f'{i}.png' for i in range(6)]
    arguments = [command, *images, '--model', DIGITS, '--out', out, '--batch-size', '2', *options]
    arguments += ['--workers', '2']
    whole, content = _interrupt(images, arguments, out)

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        for name in images:
            folder.joinpath(name).symlink_to(IMAGE)
        folder.joinpath(f'{out}.partial').write_bytes(
            mutate_bytes(
                rng,
                content,
                (b'\n', b'[]\n', b'null\n', b'[' * 100_000 + b'\n', b'{}', b'1e999', b'-1'),
            )
        )

        def run() -> None:
            main(arguments)
            if Path(out).read_bytes() != whole:
                raise WrongResultError('the resumed run wrote another file')

        return run

    return target


def _interrupt(images: list[str], arguments: list[str], out: str) -> tuple[bytes, bytes]:
    """Return the file of a run, and its partial file after all images."""

    def stop(results: PartialFile) -> NoReturn:
        raise KeyboardInterrupt

    with silent_in_new_folder():
        for name in images:
            Path(name).symlink_to(IMAGE)
        main(arguments)
        whole = Path(out).read_bytes()
        for result in Path().glob(f'{out}*'):  # features have a list of their images beside them
            result.unlink()
        with mock.patch.object(PartialFile, '__iter__', stop), contextlib.suppress(SystemExit):
            main(arguments)
        return whole, Path(f'{out}.partial').read_bytes()


def partial_download() -> Target:
    """Bytes of a partial download. The complete file must have the right content."""
    whole = Random(0).randbytes(100_000)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int(self.headers.get('Range', 'bytes=0-')[6:-1])
            self.send_response(416 if start >= len(whole) else 206 if start else 200)
            self.send_header('Content-Length', str(max(0, len(whole) - start)))
            self.send_header('Content-Range', f'bytes {start}-{len(whole) - 1}/{len(whole)}')
            self.end_headers()
            self.wfile.write(whole[start:])

        def log_message(self, *_: object) -> None:
            pass

    def target(rng: Random, folder: Path) -> Callable[[], object]:
        content = mutate_bytes(rng, whole[: rng.randrange(len(whole) + 1)])
        folder.joinpath('x.pth.partial').write_bytes(content)

        def run() -> None:
            server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f'http://127.0.0.1:{server.server_port}/x.pth'
            download(url, folder / 'x.pth', hashlib.sha256(whole).hexdigest())
            if folder.joinpath('x.pth').read_bytes() != whole:
                raise WrongResultError('the download has another content')

        return run

    return target
