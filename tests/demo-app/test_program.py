#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cachemesh-demo as a process: flags, start, end, and life without a meshd."""
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.parse

ROOT, BUILD = (os.path.abspath(argument) for argument in sys.argv[1:3])
PROGRAM = os.path.join(BUILD, 'demo-app', 'cachemesh-demo')
LIMIT_S = 30

sys.path.insert(0, os.path.join(ROOT, 'tests', 'lint'))

from tap import expect, expect_equal, run  # noqa: E402


class App:
    """A running app in a temporary directory, as a context manager."""

    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory(prefix='cachemesh-test.')
        self.log = open(os.path.join(self.directory.name, 'log'), 'w+', encoding='utf-8')
        self.process = subprocess.Popen([PROGRAM, '--db', os.path.join(self.directory.name, 'demo.db'), *arguments],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        expect(select.select([self.process.stdout], [], [], LIMIT_S)[0], 'the app says nothing')
        self.first_line = self.process.stdout.readline()
        self.port = int(self.first_line.split('port=')[1])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.directory.cleanup()

    def ask(self, path, **fields):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=LIMIT_S)
        try:
            connection.request('POST' if fields else 'GET', path, urllib.parse.urlencode(fields),
                               {'Content-Type': 'application/x-www-form-urlencoded'})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def stop(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=LIMIT_S)


def outcome(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout + done.stderr


def expect_refused(status, text, *arguments):
    seen, said = outcome(*arguments)
    expect(seen == status and text in said, f'{arguments}: {seen} {said}')


def it_tells_its_port_and_stops_on_a_signal():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with App('--standalone', '--node-name', 'here') as app:
            expect(app.first_line.startswith('node=here port='), app.first_line)
            expect_equal(app.ask('/api/status')['mode'], 'standalone')
            expect_equal(app.stop(number), 0)


def it_stops_although_somebody_has_not_finished_asking():
    with App('--standalone') as app:
        with socket.create_connection(('127.0.0.1', app.port)) as silent, \
                socket.create_connection(('127.0.0.1', app.port)) as slow:
            silent.settimeout(LIMIT_S)
            slow.sendall(b'POST /api/people HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nna')
            expect_equal(app.ask('/api/status')['node'], 'demo')
            expect_equal(app.stop(signal.SIGTERM), 0)


def a_port_that_is_taken_is_named():
    with App('--standalone') as app:
        expect_refused(1, f'port {app.port} of 127.0.0.1', '--standalone', '--port', str(app.port),
                       '--db', os.path.join(app.directory.name, 'other.db'))


def wrong_flags_are_refused():
    expect_refused(64, '--db FILE is needed')
    expect_refused(64, '--prot', '--prot', '1')
    expect_refused(64, 'from 0 to 65535', '--db', 'x', '--port', '65536')
    expect_refused(64, 'from 0 to 65535', '--db', 'x', '--port', '-1')
    expect_refused(64, 'want 1 to 64 letters', '--db', 'x', '--node-name', 'a b')
    expect_refused(64, 'want 1 to 64 letters', '--db', 'x', '--node-name', 'a\r\nX-Evil: 1')
    expect_refused(64, 'want seconds', '--db', 'x', '--session-life', '0')
    expect_refused(64, 'want seconds', '--db', 'x', '--session-life', '604801')
    expect_refused(64, 'want seconds', '--db', 'x', '--session-idle', '-1')
    expect_refused(64, 'nothing but options', '--db', 'x', 'y')
    expect_refused(0, 'usage: cachemesh-demo', '--help')


def what_cannot_be_opened_is_named():
    expect_refused(1, 'cannot use the database /no/such/demo.db', '--db', '/no/such/demo.db')
    with tempfile.TemporaryDirectory(prefix='cachemesh-test.') as directory:
        expect_refused(1, '--no-login does without', '--db', os.path.join(directory, 'demo.db'), '--socket', '/no/such')
        expect_refused(1, '--no-login does without', '--db', os.path.join(directory, 'demo.db'), '--socket', '/no/such',
                       '--session-keys', '/no/such/keys')
        expect_refused(1, 'cannot make the key ring', '--new-session-keys', '/no/such/keys')
        expect_refused(1, 'cannot open the cache', '--db', os.path.join(directory, 'demo.db'), '--socket', '/' + 'x' * 200)


def without_meshd_it_answers_from_the_database_and_says_so():
    with App('--socket', '/no/such/meshd.sock', '--no-login') as app:
        expect_equal(app.ask('/api/status')['mode'], 'offline')
        for name in ('anna', 'ben'):
            expect_equal(app.ask('/api/people', name=name)['told'], 'pending')
        folder = app.ask('/api/people/anna/folders', name='Plans')['folder']
        for _ in range(3):
            answer = app.ask('/api/people/anna')
            expect_equal((answer['cache'], [f['name'] for f in answer['folders']]), ('miss', ['Plans']))
        expect_equal(app.ask(f'/api/people/anna/folders/{folder}/share', **{'with': 'ben'})['told'], 'pending')
        expect_equal([f['name'] for f in app.ask('/api/people/ben')['folders']], ['Plans'])
        expect_equal(app.stop(signal.SIGTERM), 0)


run([it_tells_its_port_and_stops_on_a_signal, it_stops_although_somebody_has_not_finished_asking,
     a_port_that_is_taken_is_named, wrong_flags_are_refused, what_cannot_be_opened_is_named,
     without_meshd_it_answers_from_the_database_and_says_so])
