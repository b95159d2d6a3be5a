"""The application in a server of its own: its end, hang-ups, garbage, and no outside connections."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import quote

import httpx
import pytest
from app_client import (
    NAME,
    PNG,
    Counting,
    digits_app,
    encoded,
    refused,
    send_event,
    serving_app,
    upload,
)
from commands import free_port, start_wrn, wait_for
from starlette.testclient import TestClient

import wrn
from wrn.app import RequestLimits, app_server
from wrn_base.errors import WrnError

RECORDS_HOSTS = """
import sys
from wrn_base.cli import main

def record(event, args):
    if event in ('socket.getaddrinfo', 'socket.gethostbyname', 'socket.connect'):
        place = args[1] if event == 'socket.connect' else args
        host = place[0] if isinstance(place, tuple) else place
        with open(sys.argv[2], 'a') as file:
            print(host, file=file)

sys.addaudithook(record)
main(['app', '{name}', '--port', sys.argv[1]])
"""
NOT_UPLOADED = ['http://example.invalid/b.png', '/etc/passwd', 'README.md', '\0', '']
LOCAL = {'127.0.0.1', 'localhost', '::1', '', 'None'}


def answers(url):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f'{url}/api/model').status_code == 200
    return False


def raw(address, head, body=b''):
    """Send bytes, and return the socket."""
    connection = socket.create_connection(address, 30)
    connection.sendall(head.encode() + body)
    return connection


def head(length):
    return (
        f'POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n'
        f'Content-Length: {length}\r\n\r\n'
    )


def test_hang_ups_garbage_and_a_gigabyte_leave_nothing():
    model = wrn.get_model(NAME, True)
    gate = threading.Event()
    counting = Counting(model, gate)
    app = digits_app(
        model, RequestLimits(queue=2, image_bytes=50_000, request_bytes=100_000), batch_size=1
    )
    queue = app.state.queue
    with serving_app(app) as address:
        first = raw(address, head(len(encoded())), encoded())
        wait_for(lambda: counting.sizes)
        gone = raw(address, head(len(encoded())), encoded())
        wait_for(lambda: len(queue._waiting) == 1)
        gone.close()  # while its image waits
        wait_for(lambda: queue._waiting[0][1].cancelled())
        raw(address, head(5000), b'\x89PNG').close()  # in the middle of a body
        gate.set()
        assert first.recv(1000).startswith(b'HTTP/1.1 200 OK')
        with raw(address, head(10**9), bytes(1000)) as large:
            assert large.recv(1000).startswith(b'HTTP/1.1 413 ')
        with raw(address, '\x16\x03\x01 no HTTP \r\n\r\n') as garbage:
            assert garbage.recv(1000).startswith(b'HTTP/1.1 400 ')
        url = 'http://{}:{}/api/predict'.format(*address)
        assert httpx.post(url, content=encoded(), headers=PNG).status_code == 200
        first.close()
    assert counting.sizes == [1, 1]  # not that of the client that hung up


def test_a_body_that_does_not_come_is_408():
    app = digits_app(limits=RequestLimits(seconds=0.3))
    with serving_app(app) as address, raw(address, head(1000), b'\x89PNG') as slow:
        received = slow.recv(1000)
        assert received.startswith(b'HTTP/1.1 408 ')


def test_connections_without_a_request_are_closed(monkeypatch):
    """uvicorn counts them, so that enough of them would lock out all others."""
    monkeypatch.setattr(app_server, '_HEADER_SECONDS', 0.5)
    gate = threading.Event()
    model = wrn.get_model(NAME, True)
    counting = Counting(model, gate)
    with serving_app(digits_app(model)) as address:
        working = raw(address, head(len(encoded())), encoded())
        wait_for(lambda: counting.sizes)
        answered = raw(address, 'GET /api/model HTTP/1.1\r\nHost: localhost\r\n\r\n')
        assert answered.recv(100).startswith(b'HTTP/1.1 200 ')
        partial = 'GET / HTTP/1.1\r\nHost: local'
        for sent in ('', partial):
            with raw(address, sent) as silent:
                assert silent.recv(100) == b''
        answered.sendall(partial.encode())  # the header of its second request
        while answered.recv(1 << 16):
            pass
        answered.close()
        gate.set()
        assert working.recv(100).startswith(b'HTTP/1.1 200 ')  # not closed, however long it takes
        working.close()


def test_only_requests_that_name_the_server_are_answered():
    """A page of another site can have its name resolve to this machine."""
    with TestClient(digits_app(hosts=['Images.example'])) as client:
        for host in (
            'localhost:7860',
            '127.0.0.1:1',
            '[::1]:7860',
            '192.168.0.2',
            'images.example',
        ):
            assert client.get('/api/model', headers=dict(Host=host)).status_code == 200, host
        for host in (
            'evil.com',
            'evil.com:7860',
            '127.0.0.1.evil.com',
            'localhost.evil.com',
            '[',
            '',
        ):
            for path in ('/', '/api/model', '/gradio_api/info'):
                response = client.get(path, headers=dict(Host=host))
                refused(response, 421, '--allow-host')


@pytest.mark.ci
def test_a_second_ctrl_c_ends_it_without_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    port = free_port()
    outputs = tmp_path / 'out', tmp_path / 'err'
    process = start_wrn(['app', NAME, '--port', str(port)], outputs)
    url = f'http://127.0.0.1:{port}'
    wait_for(lambda: answers(url), process.is_alive)
    with raw(('127.0.0.1', port), head(1000), b'\x89PNG'), raw(('127.0.0.1', port), head(9), b'a'):
        for _ in range(2):
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.3)
        process.join(60)
    assert process.exitcode == 130
    assert outputs[1].read_text() == 'wrn: stopped\n'
    assert not [*tmp_path.glob('wrn-app-*')]


@pytest.mark.ci
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it(number, tmp_path):
    port = free_port()
    outputs = tmp_path / 'out', tmp_path / 'err'
    process = start_wrn(['app', NAME, '--port', str(port)], outputs)
    url = f'http://127.0.0.1:{port}'
    wait_for(lambda: answers(url), process.is_alive)
    assert httpx.post(f'{url}/api/predict', content=encoded(), headers=PNG).status_code == 200
    assert outputs[0].read_text() == f'{NAME}: {url} (Ctrl-C stops it)\n'
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == (143 if number == signal.SIGTERM else 130)
    (line,) = outputs[1].read_text().splitlines()
    assert line == ('wrn: stopped by SIGTERM' if number == signal.SIGTERM else 'wrn: stopped')


def test_the_folder_of_uploads_is_there_only_while_it_serves(tmp_path, monkeypatch):
    """A signal while the application loads ends the process, and must leave nothing."""
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    for _ in range(2):  # Gradio keeps the folder of the first application of a process
        app = digits_app()
        assert not list(tmp_path.glob('wrn-app-*'))
        with TestClient(app, 'http://localhost') as client:
            files = {'files': ('a.png', encoded())}
            assert client.post('/gradio_api/upload', files=files).status_code == 200
            (folder,) = tmp_path.glob('wrn-app-*')
            assert folder.stat().st_mode & 0o777 == 0o700
            assert [path.read_bytes() for path in folder.rglob('a.png')] == [encoded()]
        assert not list(tmp_path.glob('wrn-app-*'))


def test_answers_do_not_wait_for_those_before():
    """Without TCP_NODELAY, the body of an answer would wait for the client to confirm its header."""

    async def accepted():
        options = asyncio.Queue()

        def connected(_, writer):
            client = writer.get_extra_info('socket')
            options.put_nowait(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with app_server.open_socket('127.0.0.1', 0) as listening:
            async with await asyncio.start_server(connected, sock=listening):
                with socket.create_connection(listening.getsockname()):
                    return await options.get()

    assert asyncio.run(accepted())


def test_a_port_in_use_and_a_wrong_host(fails):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f'--port {port}: is in use' in fails('app', NAME, '--port', port)
    assert '--port 70000: must be from 0 to 65535' in fails('app', NAME, '--port', 70000)
    assert '--host 192.0.2.1: ' in fails('app', NAME, '--port', 0, '--host', '192.0.2.1')
    assert '--queue 0: must be at least 1' in fails('app', NAME, '--queue', 0)


LIMITS = {
    '--timeout nan': 'must be from 0.1 to 1000000',
    '--max-image-mb 1e-7': 'must be from 0.001 to 1000000',
    '--max-image-mb 100': 'is more than --max-request-mb 50',
    '--max-megapixels 500': 'must be from 0.001 to 134',
}


@pytest.mark.parametrize('given', LIMITS)
def test_limits_that_cannot_hold_are_refused(given, fails):
    option, value = given.split()
    assert f'{option} {value.replace("e-7", "e-07")}: {LIMITS[given]}' in fails(
        'app', NAME, option, value
    )


def test_limits_that_cannot_hold_are_refused_in_python():
    with pytest.raises(WrnError, match='image_bytes=200: is more than request_bytes=100'):
        RequestLimits(image_bytes=200, request_bytes=100)
    with pytest.raises(WrnError, match='pixels=500000000: must be at most 134217728'):
        RequestLimits(pixels=500_000_000)


def test_another_host_is_warned_of(tmp_path):
    outputs = tmp_path / 'out', tmp_path / 'err'
    process = start_wrn(['app', NAME, '--port', '0', '--host', '0.0.0.0'], outputs)
    wait_for(lambda: outputs[0].exists() and outputs[0].read_text(), process.is_alive)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert 'anyone in the network can use this server' in outputs[1].read_text()


@pytest.mark.ci
def test_no_outside_connection_and_no_address_is_fetched(tmp_path, server):
    """Gradio would resolve the addresses that a client gives in place of files."""
    port, record = free_port(), tmp_path / 'hosts'
    process = subprocess.Popen(
        [sys.executable, '-c', RECORDS_HOSTS.format(name=NAME), str(port), str(record)]
    )
    url = f'http://127.0.0.1:{port}'
    try:
        wait_for(lambda: answers(url), lambda: process.poll() is None)
        assert httpx.get(url).status_code == 200
        with httpx.Client(base_url=url) as client:
            path = upload(client, encoded())
            for file in (
                dict(path=path, url=server.url('a.png')),
                dict(path=path, url='http://example.invalid/a.png'),
                *(dict(path=path) for path in NOT_UPLOADED),
            ):
                (html,) = send_event(client, [file | dict(orig_name='a.png')])
                assert 'a.png' in html
                assert ('drop it again' in html) == (file['path'] in NOT_UPLOADED)
        assert httpx.get(f'{url}/gradio_api/file={path}').content == encoded()
        for name in NOT_UPLOADED:
            assert httpx.get(f'{url}/gradio_api/file={quote(name)}').status_code in (404, 422)
        for body in ({'url': server.url('c.png')}, ['http://example.invalid/c.png']):
            assert httpx.post(f'{url}/api/predict', json=body).status_code == 415
        time.sleep(1)  # telemetry would be sent by a thread
    finally:
        process.terminate()
        process.wait(60)
    assert server.requests == []
    hosts = set(record.read_text().splitlines()) if record.exists() else set()
    assert hosts <= LOCAL
