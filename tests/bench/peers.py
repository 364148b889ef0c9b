# SPDX-License-Identifier: MIT
"""redis, nats and memcached for a benchmark: on loopback, in a directory of their own, gone with the benchmark."""
import contextlib
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
START_S = 10


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


class Peers:
    """The servers; use it in a with statement."""

    PORT = '6379'

    def __init__(self, directory):
        self.directory = directory
        self.redis_port = free_port()
        self.nats_port = free_port()
        self.redis_socket = os.path.join(directory, 'redis.sock')
        self.memcached_socket = os.path.join(directory, 'memcached.sock')
        self.servers = []

    def start(self, *command):
        with open(os.path.join(self.directory, os.path.basename(command[0]) + '.log'), 'wb') as log:
            self.servers.append(subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                                                 stderr=log, preexec_fn=die_with_parent))

    def await_open(self, family, address):
        """@family: or what makes a socket"""
        deadline = time.monotonic() + START_S
        while True:
            with family() if callable(family) else socket.socket(family) as probe:
                try:
                    probe.connect(address)
                    return
                except OSError:
                    if time.monotonic() > deadline:
                        raise
            time.sleep(0.01)

    def __enter__(self):
        user = pwd.getpwuid(os.getuid()).pw_name
        self.start('redis-server', '--bind', '127.0.0.1', '--port', self.redis_port, '--unixsocket', self.redis_socket,
                   '--save', '', '--appendonly', 'no', '--dir', self.directory, '--daemonize', 'no')
        self.start('nats-server', '-a', '127.0.0.1', '-p', self.nats_port)
        self.start('memcached', '-s', self.memcached_socket, '-m', '1024', '-u', user)
        try:
            self.await_open(socket.AF_INET, ('127.0.0.1', int(self.redis_port)))
            self.await_open(socket.AF_INET, ('127.0.0.1', int(self.nats_port)))
            self.await_open(socket.AF_UNIX, self.redis_socket)
            self.await_open(socket.AF_UNIX, self.memcached_socket)
        except OSError:
            self.stop()
            raise
        return self

    @contextlib.contextmanager
    def on_host(self, host, name):
        """One more server of this name, on a host of the lab, at its address and PORT."""
        commands = {
            'redis': ['redis-server', '--bind', host.address, '--port', self.PORT, '--protected-mode', 'no', '--save', '',
                      '--appendonly', 'no', '--dir', self.directory, '--daemonize', 'no'],
            'nats': ['nats-server', '-a', host.address, '-p', self.PORT],
        }
        with open(os.path.join(self.directory, f'{name}-lab.log'), 'wb') as log:
            server = subprocess.Popen(host.command(commands[name]), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, preexec_fn=die_with_parent)
        try:
            self.await_open(lambda: host.socket(socket.SOCK_STREAM), (host.address, int(self.PORT)))
            yield
        finally:
            server.kill()
            server.wait()

    def stop(self):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    def __exit__(self, *unused):
        self.stop()

    def versions(self):
        found = {}
        for name, arguments in (('redis-server', ['--version']), ('nats-server', ['--version']),
                                ('memcached', ['--version'])):
            done = subprocess.run([name, *arguments], capture_output=True, text=True, check=False)
            found[name] = done.stdout.strip() or done.stderr.strip()
        return found
