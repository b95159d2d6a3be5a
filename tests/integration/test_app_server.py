"""The application in a server of its own: its end, hang-ups, garbage, and no outside connections."""

import contextlib
import json
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
from app_client import NAME, PNG, Counting, digits_app, encoded, serving_app
from commands import free_port, start_wrn, wait_for
from starlette.testclient import TestClient

import wrn
from wrn.app import RequestLimits

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
        f'POST /api/predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n'
        f'Content-Length: {length}\r\n\r\n'
    )


def test_hang_ups_garbage_and_a_gigabyte_leave_nothing():
    model = wrn.get_model(NAME, True)
    gate = threading.Event()
    counting = Counting(model, gate)
    app = digits_app(model, RequestLimits(queue=2, request_bytes=100_000), batch_size=1)
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
    assert line.startswith('wrn: stopped')


def test_the_folder_of_uploads_is_there_only_while_it_serves(tmp_path, monkeypatch):
    """A signal while the application loads ends the process, and must leave nothing."""
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    for _ in range(2):  # Gradio keeps the folder of the first application of a process
        app = digits_app()
        assert not list(tmp_path.glob('wrn-app-*'))
        with TestClient(app) as client:
            files = {'files': ('a.png', encoded())}
            assert client.post('/gradio_api/upload', files=files).status_code == 200
            (folder,) = tmp_path.glob('wrn-app-*')
            assert folder.stat().st_mode & 0o777 == 0o700
            assert [path.read_bytes() for path in folder.rglob('a.png')] == [encoded()]
        assert not list(tmp_path.glob('wrn-app-*'))


def test_a_port_in_use_and_a_wrong_host(fails):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f'--port {port}: is in use' in fails('app', NAME, '--port', port)
    assert '--port 70000: must be from 0 to 65535' in fails('app', NAME, '--port', 70000)
    assert '--host 192.0.2.1: ' in fails('app', NAME, '--port', 0, '--host', '192.0.2.1')
    assert '--queue 0: must be at least 1' in fails('app', NAME, '--queue', 0)
    assert '--timeout nan: must be above 0' in fails('app', NAME, '--timeout', 'nan')


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
        config = httpx.get(f'{url}/config').json()
        (path,) = httpx.post(
            f'{url}/gradio_api/upload', files={'files': ('a.png', encoded())}
        ).json()
        for file in (
            dict(path=path, url=server.url('a.png')),
            dict(path=path, url='http://example.invalid/a.png'),
            *(dict(path=path) for path in NOT_UPLOADED),
        ):
            join(url, config, file)
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


def join(url, config, file):
    """Send an event of the page, as its scripts do, and return the messages that it answers."""
    (event,) = (
        event
        for event in config['dependencies']
        if any(name == 'change' for _, name in event['targets']) and len(event['inputs']) == 1
    )
    given = file | dict(meta={'_type': 'gradio.FileData'}, orig_name='a.png')
    session = 'abc'
    body = dict(data=[[given]], fn_index=event['id'], session_hash=session, event_data=None)
    response = httpx.post(f'{url}/gradio_api/queue/join', json=body)
    if file['path'] in NOT_UPLOADED:
        assert response.status_code == 422
        assert 'not that of an uploaded one' in response.json()['error']
        return
    text = httpx.get(f'{url}/gradio_api/queue/data', params=dict(session_hash=session)).text
    lines = [line.partition(': ')[2] for line in text.splitlines() if line.startswith('data: ')]
    done = next(
        message for message in map(json.loads, lines) if message['msg'] == 'process_completed'
    )
    assert done['success']
    assert 'a.png' in done['output']['data'][0]
