"""The application under load: clients that send one image after the other, and bad clients.

Each model is served by a process of its own, which first measures the predictor alone, with the
same image in batches of 8, and the network alone::

    python benchmarks/app.py --seconds 30 --clients 8 --requests 10000

Prints images/s of the server as a share of those of the predictor alone, the milliseconds of the
answers, the requests that got none, and the growth of the server's memory in MiB (RSS, Linux only)
from the first thousand requests to the last. The bad clients hang up, send 1 GB, and send garbage.
wide-resnet50 has random weights, since they do not change its speed.
"""

import argparse
import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machine import describe_machine
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MODELS = {
    'digits': ('wide-resnet16-2_1xb64_digits', True),
    'wide-resnet50': ('wide-resnet50_3rdparty_8xb32_in1k', False),
}
BATCH = 8
HEAD = (
    'POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n'
    'Content-Length: {length}\r\n\r\n'
)
BOUNDARY = '0123456789abcdef'
WARM = 1000  # requests before the memory is measured
SERVER = """
import json, socket, sys, time, warnings
warnings.simplefilter('ignore')
import torch, wrn
from wrn.app import make_app
from wrn.app.app_server import open_socket, serve
from wrn.inference import Predictor

name, pretrained, image, seconds, batch = sys.argv[1], *map(json.loads, sys.argv[2:])
model = wrn.get_model(name, pretrained)
predictor = Predictor(model)

def rate(run):
    run()
    number, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        run()
        number += batch
    return number / (time.perf_counter() - start)

((inputs,), _) = next(iter(predictor.batches([image] * batch, batch)))
with torch.inference_mode():
    network = rate(lambda: model(inputs, mode='tensor'))
alone = rate(lambda: list(predictor.stream([image] * batch, batch)))
with open_socket('127.0.0.1', 0) as listening:
    figures = {'network alone, images/s': network, 'predictor alone, images/s': alone}
    figures['port'] = listening.getsockname()[1]
    app = make_app(model, name, batch_size=batch)
    serve(app, listening, lambda: print(json.dumps(figures), flush=True))
"""


@contextlib.contextmanager
def server(model: str, image: Path, seconds: float) -> Iterator[tuple[int, dict[str, Any]]]:
    """Start a server, and yield its process id and what it measured."""
    name, pretrained = MODELS[model]
    arguments = [name, *map(json.dumps, (pretrained, str(image), seconds, BATCH))]
    process = subprocess.Popen(
        [sys.executable, '-c', SERVER, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield process.pid, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(60)


def load(
    port: int,
    content: bytes,
    clients: int,
    goes_on: Callable[[int], bool],
    content_type: str = 'image/png',
) -> tuple[list[float], int, float]:
    """Send requests, and return the time of each answer, the number without one, and the time."""
    times: list[float] = []
    lost = [0] * clients
    sent = iter(range(sys.maxsize))

    def work(client: int) -> None:
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
        while goes_on(next(sent)):
            start = time.perf_counter()
            try:
                connection.request('POST', '/api/predict', content, {'Content-Type': content_type})
                response = connection.getresponse()
                good = response.status == 200 and b'predictions' in response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                good = False
            times.append(time.perf_counter() - start)
            lost[client] += not good
        connection.close()

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, sum(lost), time.perf_counter() - start


def make_form(content: bytes) -> bytes:
    """Return a form with a batch of images."""
    head = 'Content-Disposition: form-data; name="images"; filename="image.png"'
    part = f'--{BOUNDARY}\r\n{head}\r\nContent-Type: image/png\r\n\r\n'.encode()
    return (part + content + b'\r\n') * BATCH + f'--{BOUNDARY}--\r\n'.encode()


def memory(pid: int, key: str = 'VmRSS') -> float:
    """Return the memory of a process in MiB."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f'{key}:'))


def send(port: int, length: int, content: bytes, answer: bool = True) -> str:
    """Send a request with a length that may be wrong, and return the status of the answer."""
    head = HEAD.format(length=length)
    with socket.create_connection(('127.0.0.1', port), 120) as connection:
        try:
            connection.sendall(head.encode())
            left = length
            while content and left > 0:
                connection.sendall(content[:left])
                left -= len(content)
        except OSError:
            pass  # it has stopped to receive
        if not answer:
            return ''
        try:
            return connection.recv(100).split()[1].decode()
        except (OSError, IndexError):
            return 'closed'


def misbehave(port: int, pid: int, content: bytes) -> dict[str, Any]:
    """Be each of the bad clients, and return what they got."""
    before = memory(pid, 'VmHWM')
    for _ in range(200):
        send(port, len(content), content, answer=False)
    start = time.perf_counter()
    gigabyte = send(port, 10**9, bytes(1 << 20))
    return {
        'status of 1 GB': gigabyte,
        'seconds of 1 GB': time.perf_counter() - start,
        'status of garbage': send(port, 20_000, b'\x16\x03\x01' * 7000),
        'peak memory grew by, MiB': memory(pid, 'VmHWM') - before,
    }


def measure(model: str, image: Path, args: argparse.Namespace) -> dict[str, Any]:
    content = image.read_bytes()
    with server(model, image, min(args.seconds, 10)) as (pid, figures):
        port = figures.pop('port')
        load(port, content, args.clients, lambda number: number < 2 * args.clients)
        end = time.perf_counter() + args.seconds
        times, lost, seconds = load(
            port, content, args.clients, lambda _: time.perf_counter() < end
        )
        figures |= {'served, images/s': len(times) / seconds, 'requests': len(times), 'lost': lost}
        cuts = statistics.quantiles(times, n=20)
        figures |= {'p50, ms': 1000 * statistics.median(times), 'p95, ms': 1000 * cuts[18]}
        end = time.perf_counter() + args.seconds
        form = f'multipart/form-data; boundary={BOUNDARY}'
        times, failed, seconds = load(
            port, make_form(content), args.clients, lambda _: time.perf_counter() < end, form
        )
        figures['forms of 8 images, images/s'] = BATCH * len(times) / seconds
        figures['lost'] += failed
        if model == 'digits':  # the memory per request is the same for all, and this is the fastest
            load(port, content, args.clients, lambda number: number < WARM)
            first = memory(pid)
            _, lost, _ = load(port, content, args.clients, lambda number: number < args.requests)
            figures |= {'memory, MiB': first, 'memory grew by, MiB': memory(pid) - first}
            figures['lost'] += lost
        figures |= misbehave(port, pid, content)
        load(port, content, 1, lambda number: number < 1)  # it still answers
        _, lost, _ = load(port, content, args.clients, lambda number: number < args.clients)
        figures['lost'] += lost
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--clients', type=int, default=8)
    parser.add_argument('--requests', type=int, default=10_000)
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    args = parser.parse_args()
    import sklearn.datasets

    photograph = Path(sklearn.datasets.__file__).parent / 'images' / 'china.jpg'
    images = {'digits': ROOT / 'demo' / 'digit_7.png', 'wide-resnet50': photograph}
    results = {model: measure(model, images[model], args) for model in args.models}
    table = Table(title=f'{args.clients} clients, batches of {BATCH}', box=None)
    table.add_column('')
    for model in results:
        table.add_column(model, justify='right')
    for key in dict.fromkeys(key for figures in results.values() for key in figures):
        cells = (figures.get(key, '') for figures in results.values())
        table.add_row(
            key, *(f'{cell:.1f}' if isinstance(cell, float) else str(cell) for cell in cells)
        )
    for key in ('served', 'forms of 8 images'):
        shares = (
            figures[f'{key}, images/s'] / figures['predictor alone, images/s']
            for figures in results.values()
        )
        table.add_row(f'{key} / predictor alone', *(f'{share:.2f}' for share in shares))
    console = Console(width=100)
    console.print(describe_machine())
    console.print(table)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2))


if __name__ == '__main__':
    main()
