# SPDX-License-Identifier: MIT
"""Real meshd, meshctl and app processes for the system tests.

A Mesh lives in a temporary directory, with a mesh name and a multicast port of its own, and dies with its `with` block: all
processes are ended, what they wrote is looked through for broken invariants and sanitizer reports, and nothing may be left.
Should the test itself be killed, the kernel kills its children. What a test expects is left to the test.
"""
import ctypes
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lint'))
from tap import Skip, expect, expect_equal, run  # noqa: E402,F401 pylint: disable=wrong-import-position

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(os.getcwd(), 'build')
DEADLINE_S = 60  # for what takes milliseconds on an idle machine, or the 12 s that a single node waits for others
STOP_S = 15
POLL_S = 0.01
LEASE_MS = 1000  # the default; a busy machine keeps it, and is seldom away for half of it
SHORT_LEASE_MS = 200  # for what bears that leases lapse by themselves all the time
LOG_LINES = 40
SOCKET_PATH_MAX = 107
PR_SET_PDEATHSIG = 1
BROKEN = re.compile(r'AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer|Assertion|assertion')

libc = ctypes.CDLL(None, use_errno=True)


def end_on_signal(number, _frame):
    sys.exit(128 + number)


for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, end_on_signal)


def die_with_parent(parent):
    """A death signal counts for the thread that forked: processes are started by the main thread only."""
    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
    return prepare


def sanitizers():
    """As the compiler takes them; empty in a build without."""
    with open(os.path.join(BUILD, 'meson-info', 'intro-buildoptions.json'), encoding='utf-8') as f:
        value, = (option['value'] for option in json.load(f) if option['name'] == 'b_sanitize')
    return '' if value == 'none' else value


def bound_quarantine(mib):
    """For a program that judges memory: ASan keeps 256 MiB of what was freed from being used again, unless it is told otherwise."""
    os.environ['ASAN_OPTIONS'] = f'{os.environ.get("ASAN_OPTIONS", "")}:quarantine_size_mb={mib}'


def clean_environment(program=''):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('MESHD_', 'CACHEMESH_'))}
    if program.endswith('/meshd'):
        # libzmq is not built for TSan, which then takes each message for a race; core and library have tests without it.
        environment['TSAN_OPTIONS'] = 'report_bugs=0'
    return environment


def spawn(arguments, **keywords):
    keywords.setdefault('stdin', subprocess.DEVNULL)
    return subprocess.Popen(arguments, preexec_fn=die_with_parent(os.getpid()), env=clean_environment(arguments[0]),
                            **keywords)


def until(what, condition, deadline_s=DEADLINE_S):
    """Ask again until the answer is true; returns it."""
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f'waited {deadline_s} s in vain: {what}')
        time.sleep(POLL_S)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def read_text(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def processes_with(text):
    """Ids of the processes whose command line holds it, this one excepted."""
    found = []
    for entry in os.listdir('/proc'):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f'/proc/{entry}/cmdline', 'rb') as f:
                    if os.fsencode(text) in f.read():
                        found.append(int(entry))
            except OSError:
                pass
    return found


class App:
    """One process with libcachemesh; commands are those of app.c. inside: what runs it, as unshare does; else as spawn()."""

    def __init__(self, mesh, node_socket, name='app', program='app', timeout_ms=20000, pending_max=0, inside=(), **keywords):
        self.name = name
        self.log = os.path.join(mesh.directory, f'{name}-{mesh.serial()}.log')
        self.rest = b''
        with open(self.log, 'ab') as log:
            self.process = spawn([*inside, mesh.program(program), node_socket, name, str(timeout_ms), str(pending_max)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, **keywords)
        self.opened = self.receive()

    def send(self, command):
        self.process.stdin.write(command.encode() + b'\n')
        self.process.stdin.flush()

    def receive_line(self, deadline_s=DEADLINE_S):
        end = time.monotonic() + deadline_s
        while b'\n' not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            expect(ready, f'{self.name} does not answer within {deadline_s} s')
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise AssertionError(f'{self.name} ended: {self.process.wait()}\n{read_text(self.log)}')
            self.rest += data
        line, self.rest = self.rest.split(b'\n', 1)
        return line.decode()

    def receive(self, deadline_s=DEADLINE_S):
        return parse(self.receive_line(deadline_s))

    def ask(self, command, deadline_s=DEADLINE_S):
        return parse(self.ask_line(command, deadline_s))

    def ask_line(self, command, deadline_s=DEADLINE_S):
        self.send(command)
        return self.receive_line(deadline_s)

    def get(self, words):
        """As "get". On a busy machine the lease may have lapsed, which says nothing of the entry: then it is asked again."""
        def answer():
            told = self.ask(f'get {words}')
            return None if told.get('reason') in ('lease', 'offline') else told
        return until(f'{self.name} has a lease', answer)

    def scan(self, words):
        """As "scan", the lease running from its first key to its last."""
        def answer():
            told = self.ask(f'scan {words}')
            return None if told['lease'] or told['offline'] else told
        return until(f'{self.name} has a lease', answer)

    def is_live(self):
        return self.ask('state')['mode'] == 'live'

    def wait_mode(self, mode, deadline_s=DEADLINE_S):
        until(f'{self.name} is {mode}', lambda: self.ask('state')['mode'] == mode, deadline_s)
        return self

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        """Ends at the end of its input; returns whether it did so by itself, and in order."""
        if self.process.poll() is None:
            self.resume()
            self.process.stdin.close()
        try:
            return self.process.wait(STOP_S) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        finally:
            self.process.stdout.close()


def parse(line):
    """"name=value name=value" as a dictionary, numbers as numbers."""
    answer = {}
    for word in line.split(' '):
        name, _, value = word.partition('=')
        try:
            answer[name] = int(value)
        except ValueError:
            try:
                answer[name] = float(value)
            except ValueError:
                answer[name] = value
    return answer


class Node:
    def __init__(self, mesh, name, flags):
        self.mesh = mesh
        self.name = name
        self.directory = os.path.join(mesh.directory, name)
        self.socket = os.path.join(self.directory, 's')
        self.log = os.path.join(self.directory, 'log')
        self.process = None
        self.program = 'meshd'
        self.flags = {'name': name, 'mesh': mesh.name, 'listen': '127.0.0.1:0', 'socket': self.socket,
                      'state-dir': os.path.join(self.directory, 'state'), 'port': mesh.port,
                      'lease-ms': mesh.lease_ms, 'key-slots': 65536, 'tag-slots': 65536, 'session-slots': 4096,
                      'log-bytes': 1 << 20, **flags}
        os.mkdir(self.directory)

    def arguments(self):
        arguments = [self.mesh.program(self.program)]
        for name, value in self.flags.items():
            for one in value if isinstance(value, list) else [value]:
                arguments += [f'--{name}'] if one is True else [f'--{name}', str(one)]
        return arguments

    def start(self, **keywords):
        with open(self.log, 'ab') as log:
            self.process = spawn(self.arguments(), stdout=log, stderr=log, **keywords)
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, deadline_s=STOP_S):
        """In order; returns how long it took."""
        began = time.monotonic()
        self.process.terminate()
        status = self.process.wait(deadline_s)
        expect_equal((self.name, status), (self.name, 0))
        return time.monotonic() - began

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        until(f'{self.name} is stopped', lambda: self.state_letter() == 'T')

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def state_letter(self):
        return read_text(f'/proc/{self.process.pid}/stat').rsplit(')', 1)[1].split()[0]

    def meshctl_start(self, *arguments):
        return spawn([self.mesh.program('meshctl'), '--socket', self.socket, *arguments],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def meshctl(self, *arguments, timeout_s=DEADLINE_S, is_allowed=(0,)):
        """Standard output; the exit status must be one of these."""
        status, out, error = self.meshctl_status(*arguments, timeout_s=timeout_s)
        expect(status in is_allowed, f'{self.name}: meshctl {" ".join(arguments)}: exit {status}\n{out}{error}')
        return out

    def meshctl_status(self, *arguments, timeout_s=DEADLINE_S):
        """Exit status and what it wrote. A test that says nothing of time gives a busy machine more than the verb would."""
        patience = () if '--timeout' in arguments else ('--timeout', str(timeout_s))
        process = self.meshctl_start(*patience, *arguments)
        try:
            out, error = process.communicate(timeout=timeout_s + 5)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f'{self.name}: meshctl {" ".join(arguments)} does not end') from e
        finally:
            process.kill()
            process.wait()
        return process.returncode, out, error

    def json(self, *arguments):
        """Degraded is an answer like others."""
        return json.loads(self.meshctl(*arguments, '-o', 'json', is_allowed=(0, 2)))

    def status(self):
        return self.json('status')

    def stats(self):
        return self.json('stats')

    def peer(self, other):
        """The row about another node, or None."""
        return next((row for row in self.json('peers')['peers'] if row['name'] == other.name), None)

    def peer_state(self, other):
        row = self.peer(other)
        return row and row['state']

    def wait_peer(self, other, state, deadline_s=DEADLINE_S):
        until(f'{self.name} sees {other.name} {state}', lambda: self.peer_state(other) == state, deadline_s)

    def wait_socket(self):
        until(f'{self.name} answers', lambda: self.meshctl_status('version')[0] == 0)
        return self

    def app(self, **keywords):
        return self.mesh.app(self, **keywords)


class Mesh:
    def __init__(self, lease_ms=LEASE_MS):
        self.name = 'e2e-' + secrets.token_hex(6)
        self.lease_ms = lease_ms
        self.port = free_port(socket.SOCK_DGRAM)
        self.nodes = []
        self.apps = []
        self.n_serial = 0
        base = tempfile.gettempdir()
        if len(os.fsencode(base)) + 40 > SOCKET_PATH_MAX:
            base = '/tmp'
        self.directory = tempfile.mkdtemp(prefix='cm.', dir=base)

    def serial(self):
        self.n_serial += 1
        return self.n_serial

    @staticmethod
    def program(name):
        folder = {'meshd': 'meshd', 'meshctl': 'meshctl'}.get(name, os.path.join('tests', 'e2e'))
        return os.path.join(BUILD, folder, name)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.show_logs()
        problems = self.close()
        if kind is None:
            expect(not problems, '\n'.join(problems))

    def node(self, name=None, **flags):
        """Not started yet; flags as of meshd, with _ for -."""
        node = Node(self, name or f'n{len(self.nodes) + 1}', {key.replace('_', '-'): v for key, v in flags.items()})
        self.nodes.append(node)
        return node

    def key(self, name='key'):
        """A new key file, of meshctl."""
        path = os.path.join(self.directory, name)
        process = spawn([self.program('meshctl'), 'key', 'new', path, '-q'])
        expect_equal(process.wait(DEADLINE_S), 0)
        return path

    def keyed_node(self, key, name=None, **flags):
        """With a copy of its own, which it may replace."""
        node = self.node(name, **flags)
        node.flags['key'] = os.path.join(node.directory, 'key')
        shutil.copy2(key, node.flags['key'])
        return node

    def start_keyed(self, n, key, **flags):
        nodes = [self.keyed_node(key, **flags).start() for _ in range(n)]
        self.wait_live(nodes)
        self.wait_counted(nodes)
        return nodes

    def app(self, node, **keywords):
        app = App(self, node.socket, **keywords)
        self.apps.append(app)
        return app

    def start(self, n, **flags):
        """n nodes that all see each other live."""
        nodes = [self.node(**flags).start() for _ in range(n)]
        self.wait_live(nodes)
        self.wait_counted(nodes)
        return nodes

    def start_with_apps(self, n, flags=None, **keywords):
        nodes = self.start(n, **(flags or {}))
        apps = [node.app(name=f'app-{node.name}', **keywords).wait_mode('live') for node in nodes]
        return nodes, apps

    def publish_once(self, node, app):
        """A member that has published is given up after --gone-ms only. One that has not, and whose new process has not served
        yet, is after a lease of silence, and then all forget everything: a busy machine may take longer to start it."""
        expect_equal(app.ask('invalidate first first node')['rc'], 0)
        for other in self.nodes:
            if other is not node:
                until(f'{other.name} has it', lambda one=other: one.peer(node)['applied'] > 0)

    def wait_live(self, nodes=None, deadline_s=DEADLINE_S):
        """In the eyes of each all others are live."""
        nodes = nodes or self.nodes
        waits = [node.meshctl_start('--timeout', str(deadline_s), 'wait', f'--for=peers={len(nodes) - 1}') for node in nodes]
        try:
            for node, wait in zip(nodes, waits):
                out, error = wait.communicate(timeout=deadline_s + 5)
                expect(wait.returncode == 0, f'{node.name}: meshctl wait: exit {wait.returncode}\n{out}{error}')
        finally:
            for wait in waits:
                wait.kill()
                wait.wait()
                wait.stdout.close()
                wait.stderr.close()

    def wait_counted(self, nodes=None):
        """All count each other, too: from then on a peer that falls silent lapses, and nothing stays unconfirmed."""
        nodes = nodes or self.nodes
        for node in nodes:
            until(f'all count {node.name}', lambda one=node: sum(
                row.get('counts_me', False) for row in one.json('peers')['peers']) == len(nodes) - 1)

    def wait_full_mesh(self, nodes=None):
        """Each hears each, asked on every node. A link shows as cut when nothing came for a lease, as where somebody got no
        processor, and as unknown when an answer takes a second; so one answer proves nothing, and they are asked again."""
        for node in nodes or self.nodes:
            node.meshctl('links', '--check', '--wait')

    def wait_caught_up(self, nodes=None):
        for node in nodes or self.nodes:
            node.meshctl('wait', '--for=caught-up')

    def logs(self):
        return [node.log for node in self.nodes] + [app.log for app in self.apps]

    def show_logs(self):
        for path in self.logs():
            if os.path.exists(path):
                lines = read_text(path).splitlines()
                if lines:
                    print(f'# -- end of {path}')
                for line in lines[-LOG_LINES:]:
                    print('# ' + line)

    def close(self):
        """Ends everything; returns what was not as it should be."""
        problems = []
        for app in self.apps:
            if app.process.poll() is None and not app.close():
                problems.append(f'{app.name} did not end by itself')
        for node in self.nodes:
            problems += self.end_node(node)
        for path in self.logs():
            text = read_text(path) if os.path.exists(path) else ''
            if BROKEN.search(text):
                problems.append(f'{path}:\n{text[-4000:]}')
        problems += [f'process {pid} is left' for pid in processes_with(self.directory)]
        shutil.rmtree(self.directory, ignore_errors=True)
        return problems

    @staticmethod
    def end_node(node):
        if not node.is_running():
            return []
        node.resume()
        try:
            node.stop()
            left = [name for name in os.listdir(node.directory) if name == 's']
            return [f'{node.name} left its socket'] if left else []
        except (subprocess.TimeoutExpired, AssertionError) as e:
            return [f'{node.name} did not stop in order: {e}']
        finally:
            node.process.kill()
            node.process.wait()
