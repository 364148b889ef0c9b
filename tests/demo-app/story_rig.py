# SPDX-License-Identifier: MIT
"""Runs of demo-app/story for its tests: in a temporary directory of their own, so that all they leave behind is found."""
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(sys.argv[1])
BUILD = os.path.abspath(sys.argv[2])
DEADLINE_S = 120
GONE_S = 10

sys.path.insert(0, os.path.join(ROOT, 'tests', 'lint'))

from tap import expect  # noqa: E402


def command_lines():
    """Of all processes of this machine: {pid: text}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f:
                found[int(pid)] = f.read().replace(b'\0', b' ').decode(errors='replace')
        except OSError:
            pass
    return found


def restore_signals():
    """What a shell starts in the background ignores Ctrl-C, and so would the story."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Run:
    """demo-app/story with some arguments, as a context manager that at its end demands that nothing is left."""

    def __init__(self, *arguments, build=BUILD, is_killed=False):
        self.is_killed = is_killed
        self.directory = tempfile.TemporaryDirectory(prefix='cachemesh-test.')
        self.text = ''
        environment = {**os.environ, 'TMPDIR': self.directory.name, 'NO_COLOR': '1'}
        self.process = subprocess.Popen([os.path.join(ROOT, 'demo-app', 'story'), build, *arguments], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        preexec_fn=restore_signals)
        self.deadline = time.monotonic() + DEADLINE_S

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        with self.directory:
            if self.process.poll() is None:
                self.process.terminate()
                self.process.wait(timeout=GONE_S)
            self.process.stdout.close()
            if kind is None:
                self.expect_nothing_left()

    def read_some(self):
        is_ready, _, _ = select.select([self.process.stdout], [], [], max(0, self.deadline - time.monotonic()))
        expect(is_ready, f'the story hangs after:\n{self.text}')
        piece = os.read(self.process.stdout.fileno(), 65536)
        self.text += piece.decode(errors='replace')
        return bool(piece)

    def read_until(self, marker):
        while marker not in self.text:
            expect(self.read_some(), f'no "{marker}" in:\n{self.text}')

    def end(self):
        """The exit status, with all output read."""
        while self.read_some():
            pass
        return self.process.wait(timeout=GONE_S)

    def processes(self):
        """What runs for this story: its children name their directory."""
        return [pid for pid, line in command_lines().items() if self.directory.name in line]

    def expect_nothing_left(self):
        deadline = time.monotonic() + GONE_S
        # After SIGKILL the children still have to end; else they were waited for.
        while self.is_killed and self.processes() and time.monotonic() < deadline:
            os.sched_yield()
        expect(not self.processes(), f'processes are left: {self.processes()}')
        expect(self.is_killed or not os.listdir(self.directory.name), f'files are left: {os.listdir(self.directory.name)}')
