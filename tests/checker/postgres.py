# SPDX-License-Identifier: MIT
"""A PostgreSQL server of the test's own: a cluster in a temporary directory, on a Unix socket, run by a user without rights.

It dies with the `with` block. Nothing is synced, since no test ends the host.
"""
import glob
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile

from mesh import Skip, expect, read_text, spawn, until

USERS = ('postgres', 'nobody')  # to run as when started by root, whom the server refuses
SETTINGS = {
    'listen_addresses': '', 'fsync': 'off', 'synchronous_commit': 'off', 'full_page_writes': 'off',
    'max_connections': '200', 'shared_buffers': '16MB', 'dynamic_shared_memory_type': 'mmap', 'autovacuum_naptime': '5s',
}


def programs():
    """Where initdb and postgres are, or None."""
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin/initdb'))
    return os.path.dirname(found[-1]) if found else None


def user():
    """Arguments for a process of that user; none if we have no rights ourselves."""
    if os.getuid() != 0:
        return {}
    for name in USERS:
        try:
            entry = pwd.getpwnam(name)
            return {'user': entry.pw_uid, 'group': entry.pw_gid, 'extra_groups': []}
        except KeyError:
            pass
    raise Skip('PostgreSQL does not run as root, and there is no other user')


def is_open_to_all(directory):
    directory = os.path.abspath(directory)
    while directory != '/':
        if not os.stat(directory).st_mode & stat.S_IXOTH:
            return False
        directory = os.path.dirname(directory)
    return True


class Postgres:
    def __init__(self):
        if programs() is None:
            raise Skip('PostgreSQL is not installed')
        self.user = user()
        # Its socket's name must be short, and another user must get there.
        base = tempfile.gettempdir()
        self.directory = tempfile.mkdtemp(prefix='cm-pg.', dir=base if len(base) < 40 and is_open_to_all(base) else '/tmp')
        self.data = os.path.join(self.directory, 'data')
        self.log = os.path.join(self.directory, 'log')
        self.process = None
        if self.user:
            os.chown(self.directory, self.user['user'], self.user['group'])

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *unused):
        self.close()

    def start(self):
        with open(self.log, 'ab') as log:
            try:
                done = spawn([os.path.join(programs(), 'initdb'), '-D', self.data, '-U', 'cm', '-A', 'trust', '-E', 'UTF8',
                              '--locale=C', '--no-sync'], stdout=log, stderr=log, cwd=self.directory, **self.user).wait(60)
            except PermissionError as e:
                raise Skip(f'no process may run as another user: {e}') from e
            expect(done == 0, f'initdb: exit {done}\n{read_text(self.log)}')
            settings = [word for name, value in SETTINGS.items() for word in ('-c', f'{name}={value}')]
            self.process = spawn([os.path.join(programs(), 'postgres'), '-D', self.data, '-k', self.directory, *settings],
                                 stdout=log, stderr=log, cwd=self.directory, **self.user)
        until('PostgreSQL answers', self.is_ready, 60)

    def is_ready(self):
        expect(self.process.poll() is None, f'PostgreSQL ended\n{read_text(self.log)}')
        return subprocess.run([os.path.join(programs(), 'pg_isready'), '-q', '-h', self.directory], check=False).returncode == 0

    def new_database(self, name):
        """How libpq finds it."""
        subprocess.run([os.path.join(programs(), 'createdb'), '-h', self.directory, '-U', 'cm', name], check=True)
        return f'host={self.directory} user=cm dbname={name}'

    def close(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # fast: sessions are ended
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
