# SPDX-License-Identifier: MIT
"""The processes of the story: three meshd, three apps, meshctl. They live in a temporary directory and die with it.

Signals interrupt only where the story waits (Signals.interruptible), so a process or a directory that was just made is
always known to close(). Children get a death signal from the kernel should this process be killed.
"""
import ctypes
import http.client
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

STEP_S = 45  # deadline of a step
STOP_S = 5   # what a process has between SIGTERM and SIGKILL
POLL_S = 0.02
LOG_LINES = 15
SOCKET_PATH_MAX = 107
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """The story cannot go on."""


class Mismatch(Exception):
    """A step's result that is no answer; its text goes into the table."""
    is_result = True


class Interrupted(Exception):
    pass


class Signals:
    """The first of SIGINT, SIGTERM, SIGHUP, as an exception where that is safe."""

    def __init__(self):
        self.seen = 0
        self.is_interruptible = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # As under nohup. That a shell ignores SIGINT for its background jobs does not mean us.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.note)

    def note(self, number, frame):
        self.seen = self.seen or number
        if self.is_interruptible:
            self.is_interruptible = False
            raise Interrupted()

    def __enter__(self):
        self.is_interruptible = True
        if self.seen:
            self.is_interruptible = False
            raise Interrupted()

    def __exit__(self, *unused):
        self.is_interruptible = False


def die_with_parent(parent):
    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
    return prepare


def spawn(arguments, **keywords):
    """In a session of its own: Ctrl-C of the terminal is for the story, which then stops the others in order."""
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, start_new_session=True,
                            preexec_fn=die_with_parent(os.getpid()), **keywords)


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(('MESHD_', 'CACHEMESH_'))}


def tail(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return ''.join(f.readlines()[-LOG_LINES:])
    except OSError:
        return ''


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Node:
    def __init__(self, mesh, number):
        self.mesh = mesh
        self.name = f'node-{number}'
        self.directory = os.path.join(mesh.directory, self.name)
        self.socket = os.path.join(self.directory, 'meshd.sock')
        self.http_port = 0
        self.processes = {}
        os.mkdir(self.directory)

    def log(self, program):
        return os.path.join(self.directory, program + '.log')

    def start(self, program, arguments, stdout=None):
        with open(self.log(program), 'ab') as log:
            self.processes[program] = spawn([self.mesh.program(program), *arguments], stdout=stdout or log, stderr=log,
                                            env=clean_environment())

    def start_meshd(self):
        self.start('meshd', ['--name', self.name, '--mesh', self.mesh.name, '--listen', '127.0.0.1:0',
                             '--socket', self.socket, '--state-dir', os.path.join(self.directory, 'state'),
                             '--port', str(self.mesh.multicast_port)])

    def start_app(self):
        """On the port that it had before, if it had one."""
        self.start('cachemesh-demo', ['--node-name', self.name, '--db', self.mesh.database, '--socket', self.socket,
                                      '--session-keys', self.mesh.session_keys,
                                      '--port', str(self.http_port), *self.mesh.app_arguments], subprocess.PIPE)

    def read_port(self):
        app = self.processes['cachemesh-demo']
        line = self.mesh.read_line(app.stdout, f'{self.name}: the app tells its port')
        if not line.startswith(f'node={self.name} port='):
            raise Failure(f'{self.name}: the app did not start')
        self.http_port = int(line.split('port=')[1])

    def restart_app(self):
        """The app alone, in order; meshd goes on."""
        app = self.processes.pop('cachemesh-demo')
        app.terminate()
        try:
            with self.mesh.signals:
                app.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired as e:
            raise Failure(f'{self.name}: the app does not stop') from e
        finally:
            app.kill()
            app.wait()
            app.stdout.close()
        self.mesh.start_apps([self])

    def check_alive(self):
        for program, process in self.processes.items():
            if process.poll() is not None:
                raise Failure(f'{program} of {self.name} ended by itself, status {process.returncode}')

    def kill(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.close_pipes()
        self.processes = {}

    def close_pipes(self):
        for process in self.processes.values():
            if process.stdout:
                process.stdout.close()

    def exchange(self, method, path, body=None, cookies=None):
        """What the app answers: status, the cookies that it sets (one that it takes back is ''), the JSON."""
        headers = {'Content-Type': 'application/x-www-form-urlencoded',
                   'Cookie': '; '.join(f'{name}={value}' for name, value in (cookies or {}).items())}
        connection = http.client.HTTPConnection('127.0.0.1', self.http_port, timeout=STEP_S)
        try:
            with self.mesh.signals:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                text = response.read()
                header = response.getheader('X-Cachemesh', '')
                set_cookies = response.headers.get_all('Set-Cookie', [])
            answer = json.loads(text)
        except (OSError, http.client.HTTPException, ValueError) as e:
            raise Mismatch(f'no answer: {e}') from e
        finally:
            connection.close()
        if header != f'node={answer["node"]}, {answer.get("cache", "-")}':
            raise Mismatch(f'header says "{header}"')
        return response.status, dict(text.split(';')[0].split('=', 1) for text in set_cookies), answer

    def ask(self, method, path, body=None):
        status, _, answer = self.exchange(method, path, body)
        if status != 200:
            raise Mismatch(f'{status}: {answer.get("error")}')
        return answer

    def get(self, path):
        return self.ask('GET', path)

    def post(self, path, **fields):
        return self.ask('POST', path, urllib.parse.urlencode(fields))

    def no_answer(self):
        try:
            with socket.create_connection(('127.0.0.1', self.http_port), timeout=STEP_S):
                return 'an answer'
        except OSError:
            return 'no answer'

    def is_app_live(self):
        try:
            return self.get('/api/status')['mode'] == 'live'
        except Mismatch:
            return False

    def meshctl(self, *arguments, good=(0,)):
        process = spawn([self.mesh.program('meshctl'), '--socket', self.socket, '--timeout', str(STEP_S), *arguments],
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean_environment(), text=True)
        try:
            with self.mesh.signals:
                text, _ = process.communicate(timeout=2 * STEP_S)
        except subprocess.TimeoutExpired as e:
            raise Failure(f'meshctl {" ".join(arguments)} on {self.name} does not end') from e
        finally:
            process.kill()
            process.wait()
        if process.returncode not in good:
            raise Failure(f'meshctl {" ".join(arguments)} on {self.name}: exit {process.returncode}\n{text.strip()}')
        return text

    def peers(self):
        """Degraded is a state like another here."""
        return json.loads(self.meshctl('peers', '-o', 'json', good=(0, 2)))

    def peers_table(self):
        return self.meshctl('peers', good=(0, 2))


class Mesh:
    def __init__(self, build, signals, app_arguments):
        self.build = os.path.abspath(build)
        self.signals = signals
        self.app_arguments = app_arguments
        self.n_dead = 0
        self.name = 'demo-' + secrets.token_hex(4)
        self.multicast_port = free_udp_port()
        self.directory = self.make_directory()
        self.database = os.path.join(self.directory, 'demo.db')
        self.session_keys = os.path.join(self.directory, 'session-keys')
        self.nodes = [Node(self, number) for number in (1, 2, 3)]

    @staticmethod
    def make_directory():
        """In $TMPDIR, unless that makes the path of a socket too long."""
        directory = tempfile.mkdtemp(prefix='cachemesh-demo.')
        if len(os.fsencode(directory)) + len('/node-1/meshd.sock') > SOCKET_PATH_MAX:
            os.rmdir(directory)
            directory = tempfile.mkdtemp(prefix='cachemesh-demo.', dir='/tmp')
        return directory

    def program(self, name):
        folder = 'demo-app' if name == 'cachemesh-demo' else name
        return os.path.join(self.build, folder, name)

    def until(self, what, condition):
        """Ask again until the answer is true; returns it."""
        deadline = time.monotonic() + STEP_S
        while True:
            answer = condition()
            if answer:
                return answer
            self.check_alive()
            if time.monotonic() > deadline:
                raise Failure(f'waited {STEP_S} s in vain: {what}')
            with self.signals:
                time.sleep(POLL_S)

    def check_alive(self):
        for node in self.nodes:
            node.check_alive()

    def read_line(self, stream, what):
        with self.signals:
            is_ready, _, _ = select.select([stream], [], [], STEP_S)
        if not is_ready:
            raise Failure(f'waited {STEP_S} s in vain: {what}')
        return stream.readline().decode()

    def start_apps(self, nodes):
        for node in nodes:
            node.start_app()
        for node in nodes:
            node.read_port()
        for node in nodes:
            self.until(f'the app of {node.name} is live', node.is_app_live)

    def wait_live(self):
        for node in self.nodes:
            node.meshctl('wait', f'--for=peers={len(self.nodes) - 1}')

    def make_session_keys(self):
        """Once, for the apps of all nodes."""
        process = spawn([self.program('cachemesh-demo'), '--new-session-keys', self.session_keys],
                        stderr=subprocess.PIPE, env=clean_environment(), text=True)
        try:
            with self.signals:
                _, text = process.communicate(timeout=STEP_S)
        except subprocess.TimeoutExpired as e:
            raise Failure('the key ring of the sessions is not made') from e
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise Failure(text.strip())

    def start_all(self):
        began = time.monotonic()
        for program in ('meshd', 'meshctl', 'cachemesh-demo'):
            if not os.access(self.program(program), os.X_OK):
                raise Failure(f'{self.program(program)} is not there; demo-app/run builds it')
        self.make_session_keys()
        for node in self.nodes:
            node.start_meshd()
        self.wait_live()
        seconds = time.monotonic() - began
        self.start_apps(self.nodes)
        return seconds

    def start(self, node):
        """Again, after kill()."""
        node.start_meshd()
        self.wait_live()
        self.start_apps([node])

    def wait_for_end(self):
        """Until a signal; says so if something ends by itself."""
        watched = {os.pidfd_open(process.pid): f'{program} of {node.name}'
                   for node in self.nodes for program, process in node.processes.items()}
        try:
            while True:
                with self.signals:
                    ended, _, _ = select.select(list(watched), [], [])
                for fd in ended:
                    self.n_dead += 1
                    print(f'{watched.pop(fd)} ended by itself.', file=sys.stderr, flush=True)
                    os.close(fd)
        finally:
            for fd in watched:
                os.close(fd)

    def show_logs(self):
        for node in self.nodes:
            for program in ('meshd', 'cachemesh-demo'):
                text = tail(node.log(program))
                if text:
                    print(f'\nThe last lines of {program} of {node.name}:\n{text}', file=sys.stderr, end='')

    def stop(self, program):
        """On all nodes; shows the log of one that does not end well."""
        nodes = [node for node in self.nodes if program in node.processes]
        for node in nodes:
            node.processes[program].terminate()
        deadline = time.monotonic() + STOP_S
        for node in nodes:
            process = node.processes[program]
            try:
                process.wait(timeout=max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            # A signal that comes before the program is ready for it ends it too.
            if process.returncode not in (0, -signal.SIGTERM):
                self.n_dead += 1
                print(f'\n{program} of {node.name} did not stop as it should, status {process.returncode}:\n'
                      f'{tail(node.log(program))}', file=sys.stderr, end='')

    def close(self):
        """Apps first, so that they take leave of their meshd. Does not fail, and is not interrupted."""
        self.stop('cachemesh-demo')
        self.stop('meshd')
        for node in self.nodes:
            node.close_pipes()
        shutil.rmtree(self.directory, ignore_errors=True)


if __name__ == '__main__':
    sys.exit('This is a part of demo-app/story.')
