# SPDX-License-Identifier: MIT
"""One bash for one page: it types the commands of the page in order and tells what each printed.

A reader's checkout is what it starts in: links to everything in the tree, and to the build as build/. Programs are found as if
installed, so is libcachemesh. Names of meshes, ports and temporary files are the page's own; processes die with the session.
What a command should print is left to others.
"""
import os
import re
import secrets
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import pages
import mesh

DEADLINE_S = 90  # of one command
PROGRAMS = ('meshd/meshd', 'meshctl/meshctl', 'demo-app/cachemesh-demo')
# What bash says of a background job that was killed, whenever it notices.
JOB_NOTICE = re.compile(r'^\S+: line \d+: +\d+ (Killed|Terminated)\b')


class CommandFailed(AssertionError):
    pass


class Installed:
    """The built tree as `meson install` leaves it, somewhere else; made once."""

    def __init__(self, directory):
        self.root = os.path.join(directory, 'installed')
        subprocess.run(['meson', 'install', '-C', mesh.BUILD, '--no-rebuild', '--quiet', '--destdir', self.root],
                       stdout=subprocess.DEVNULL, check=True)
        found = [d for d, _, names in os.walk(self.root) if 'cachemesh.pc' in names]
        self.pkg_config = found[0]
        self.library = os.path.dirname(found[0])
        self.bin = os.path.join(directory, 'bin')
        os.mkdir(self.bin)
        for program in PROGRAMS:
            os.symlink(os.path.join(mesh.BUILD, program), os.path.join(self.bin, os.path.basename(program)))
        sanitizers = mesh.sanitizers()
        if sanitizers:
            # A program that links a library with sanitizers needs them too; a page does not say so.
            path = os.path.join(self.bin, 'cc')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(f'#!/bin/sh\nexec {shutil.which("cc")} -fsanitize={sanitizers} "$@"\n')
            os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def environment(self):
        return {'PATH': self.bin + os.pathsep + os.environ['PATH'],
                'PKG_CONFIG_PATH': self.pkg_config, 'PKG_CONFIG_SYSROOT_DIR': self.root,
                'LD_LIBRARY_PATH': self.library}


class Session:
    def __init__(self, installed, variables=None):
        base = tempfile.gettempdir()
        self.directory = tempfile.mkdtemp(prefix='cm.', dir=base if len(base) < 30 else '/tmp')
        self.mark = secrets.token_hex(8)
        self.n_commands = 0
        self.rest = b''
        for name in os.listdir(pages.ROOT):
            if not name.startswith(('.', 'build')):
                os.symlink(os.path.join(pages.ROOT, name), os.path.join(self.directory, name))
        os.symlink(mesh.BUILD, os.path.join(self.directory, 'build'))
        self.own = os.path.join(self.directory, '.t')
        os.mkdir(self.own)
        environment = {**mesh.clean_environment(), **installed.environment(), 'TMPDIR': self.own, 'HOME': self.own,
                       'LC_ALL': 'C.UTF-8', 'TERM': 'dumb', 'MESHD_MESH': 'docs-' + secrets.token_hex(6),
                       'MESHD_PORT': str(mesh.free_port(socket.SOCK_DGRAM)), **(variables or {})}
        self.process = subprocess.Popen(['bash', '--norc', '--noprofile'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=self.directory, env=environment, start_new_session=True,
                                        preexec_fn=mesh.die_with_parent(os.getpid()))
        self.group = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def run(self, command, deadline_s=DEADLINE_S):
        """Returns exit status and lines. What runs in the background may print into the lines of any command."""
        self.n_commands += 1
        path = os.path.join(self.own, f'command-{self.n_commands}')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(command if command.endswith('\n') else command + '\n')
        # The next command sees the status of this one in $?. No subshell: it could be taken for a process
        # that was left running.
        typed = f". '{path}' </dev/null; cm_status=$?; cm_return() {{ printf '\\n{self.mark} %d\\n' $cm_status; return $cm_status; }}; cm_return\n"
        self.process.stdin.write(typed.encode())
        self.process.stdin.flush()
        text, status = self.read_to_mark(command, deadline_s)
        return status, [line for line in text.splitlines() if not JOB_NOTICE.match(line)]

    def read_to_mark(self, command, deadline_s):
        end = time.monotonic() + deadline_s
        pattern = re.compile(rf'\n{self.mark} (\d+)\n'.encode())
        while True:
            found = pattern.search(self.rest)
            if found:
                text = self.rest[:found.start()]
                self.rest = self.rest[found.end():]
                return text.decode(errors='replace'), int(found[1])
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b''
            if not data:
                why = 'ended the shell' if ready else f'does not end within {deadline_s} s'
                raise CommandFailed(f'{command.strip()}\n{why}\n{self.rest.decode(errors="replace")}')
            self.rest += data

    def close(self):
        """Ends all; returns what was still running, by command line."""
        left = [one for one in (command_line(pid) for pid in group_members(self.group) if pid != self.process.pid) if one]
        try:
            os.killpg(self.group, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        mesh.until('all processes are ended', lambda: not group_members(self.group))
        shutil.rmtree(self.directory, ignore_errors=True)
        return left


def group_members(group):
    """Zombies do not count."""
    found = []
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                fields = mesh.read_text(f'/proc/{entry}/stat').rsplit(')', 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != 'Z':
                found.append(int(entry))
    return found


def command_line(pid):
    try:
        return mesh.read_text(f'/proc/{pid}/cmdline').replace('\0', ' ').strip()
    except OSError:
        return ''
