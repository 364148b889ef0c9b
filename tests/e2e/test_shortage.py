#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""meshd and meshctl get no memory for one request after the other: they go on, or end with a word about it, and no app
beside them is served anything old."""
import mmap
import os
import re
import shutil
import socket
import struct
import subprocess
import sys

from mesh import BUILD, DEADLINE_S, Mesh, Skip, expect, expect_equal, read_text, run, sanitizers, until

LIBRARY = os.path.join(BUILD, 'tests', 'e2e', 'libshort-supply.so')
FIELDS = ('n_left', 'is_for_ever', 'are_others', 'n_asked', 'n_refused', 'caller')
IS_LONG = 'long' in sys.argv[2:]
ROUND_STEP = 1 if IS_LONG else 2
START_STEP = 1
OTHERS_STEP = 5
STATUSES = (1, 69, 71, 74, 75, 78)
# What a program says before it ends.
LAST_WORDS = re.compile(r'out of memory|bad_alloc|no memory|cannot allocate memory', re.IGNORECASE)


class Supply:
    """What short_supply.c lets a program have."""

    def __init__(self, directory):
        self.path = os.path.join(directory, 'supply')
        # LD_PRELOAD is a list with spaces between: the build directory may have one in its name.
        self.library = shutil.copy(LIBRARY, directory)
        with open(self.path, 'wb') as f:
            f.write(bytes(8 * len(FIELDS)))
        with open(self.path, 'r+b') as f:
            self.memory = mmap.mmap(f.fileno(), 8 * len(FIELDS))
        self.end()

    def write(self, **values):
        for name, value in values.items():
            struct.pack_into('q', self.memory, 8 * FIELDS.index(name), value)

    def read(self, name):
        return struct.unpack_from('q', self.memory, 8 * FIELDS.index(name))[0]

    def begin(self, n, is_for_ever=False, are_others=False):
        self.write(n_left=-1, is_for_ever=0, n_refused=0, n_asked=0, caller=0)
        self.write(are_others=int(are_others), is_for_ever=int(is_for_ever), n_left=n)

    def end(self):
        """Returns whether something was refused."""
        self.write(n_left=-1, is_for_ever=0)
        return self.read('n_refused') > 0

    def before(self, arguments):
        return ['/usr/bin/env', f'LD_PRELOAD={self.library}', f'SHORT_SUPPLY={self.path}', *arguments]


def short_node(mesh, **flags):
    node = mesh.node(**flags)
    node.supply = Supply(node.directory)
    arguments = node.arguments
    node.arguments = lambda: node.supply.before(arguments())
    return node


def expect_last_words(node, n, are_others=False):
    status = node.process.wait()
    text = read_text(node.log)
    if are_others:
        return  # libzmq and libuv abort; glibc's name service has been seen to end by SIGSEGV
    expect(status in STATUSES, f'request {n}: {node.name} ended with {status}\n{text[-2000:]}')
    expect(LAST_WORDS.search(text), f'request {n}: {node.name} ended with {status}, and does not say why\n{text[-2000:]}')


def start_short_of(node, n, are_others=False):
    """Returns (whether something was refused, whether it runs)."""
    with open(node.log, 'w', encoding='utf-8'):
        pass
    node.supply.begin(n, are_others=are_others)
    node.start()
    until('it answers or ends', lambda: not node.is_running() or 'ready' in read_text(node.log)
          or node.meshctl_status('version')[0] == 0)
    has_refused = node.supply.end()
    if node.is_running():
        node.meshctl('version')
        node.stop()
        return has_refused, True
    expect(has_refused, read_text(node.log))
    expect_last_words(node, n, are_others)
    return has_refused, False


def start_all(are_others, step):
    with Mesh() as mesh:
        node = short_node(mesh, alone_ms=300)
        n = n_ends = n_tries = 0
        while True:
            has_refused, runs = start_short_of(node, n, are_others)
            if not has_refused:
                break
            n_tries += 1
            n_ends += not runs
            n += step
        print(f'# {n_tries} of about {n} requests refused at the start: {n_ends} times it ended')
        expect(n_tries > 5, n_tries)


def a_start_without_memory_goes_on_or_says_why_not():
    start_all(False, START_STEP)


def a_start_in_which_a_library_gets_no_memory_goes_on_or_says_why_not():
    start_all(True, OTHERS_STEP)


class Pair:
    """Two nodes, the first of which may be short of memory, and an app on each."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.nodes = [short_node(mesh, name='short'), mesh.node(name='other')]
        self.n_keys = 0
        for node in self.nodes:
            node.start()
        mesh.wait_live(self.nodes)
        mesh.wait_counted(self.nodes)
        self.apps = [self.open_app(node) for node in self.nodes]

    def open_app(self, node):
        app = self.mesh.app(node, name=f'app-{node.name}').wait_mode('live')
        expect_equal(app.ask('region r bounded 0 1048576')['rc'], 0)
        return app

    def restart(self):
        """After its end: as an operator would."""
        self.nodes[0].start()
        self.mesh.wait_live(self.nodes)
        self.mesh.wait_counted(self.nodes)
        for app in self.apps:
            app.wait_mode('live')

    def is_served(self, app, key):
        answer = self.apps[app].ask(f'get r {key}')
        expect(answer['rc'] in (0, 1), answer)
        return answer['rc'] == 0

    def fill(self):
        """A key that both apps serve."""
        self.n_keys += 1
        key = f'k{self.n_keys}'

        def both_serve():
            for app in self.apps:
                app.ask(f'load r {key} v')
            return self.is_served(0, key) and self.is_served(1, key)
        until('both serve it', both_serve)
        return key

    def use_short_node(self):
        """What apps, operators and peers ask for; nobody minds an error."""
        node = self.nodes[0]
        for arguments in (['status'], ['peers'], ['apps'], ['regions'], ['links'], ['stats'], ['why', '--region', 'r', 'k1'],
                          ['ping', '-c', '1'], ['invalidate', '--region', 'r', 'x', 'y'], ['doctor']):
            status, _, error = node.meshctl_status('--timeout', '2', *arguments)
            expect(status >= 0, f'meshctl {arguments} ended with {status}: {error}')

    def begin_message(self):
        """What has come of it is kept until the rest comes."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.nodes[0].socket)
        try:
            client.send(b'\0\0')
        except BrokenPipeError:
            pass  # not taken in
        return client

    def round(self, n, is_for_ever=False, are_others=False):
        """Each app tells of a change, the short node being short meanwhile. Returns whether it was."""
        keys = [self.fill(), self.fill()]
        node = self.nodes[0]
        node.supply.begin(n, is_for_ever, are_others)
        answers = [self.apps[i].ask(f'invalidate r {keys[i]} mesh') for i in (0, 1)]
        served = [[self.is_served(app, key) for key in keys] for app in (0, 1)]
        with_new = self.mesh.app(node, name='passer-by')
        with_new.ask(f'region q{n % 50} bounded 0 1048576')
        begun = self.begin_message()
        self.use_short_node()
        with_new.close()
        begun.close()
        has_refused = node.supply.end()
        for i in (0, 1):
            expect(not served[i][i], f'request {n}: app {i} serves what it has invalidated')
            if answers[i]['rc'] == 0 and not answers[i].get('unconfirmed', 0):
                expect(not served[1 - i][i], f'request {n}: app {1 - i} serves what {answers[i]} has made old')
        if not node.is_running():
            expect_last_words(node, n, are_others)
            expect(has_refused, n)
            self.restart()
        for app in self.apps:
            app.wait_mode('live')
        until('nothing waits', lambda: all(app.ask('state')['pending'] == 0 for app in self.apps))
        for app in (0, 1):
            expect(not any(self.is_served(app, key) for key in keys), f'request {n}: app {app} serves an old value')
        return has_refused


def use_all(is_for_ever, are_others, step):
    with Mesh(lease_ms=500) as mesh:
        pair = Pair(mesh)
        n = n_tries = 0
        pid = pair.nodes[0].process.pid
        n_ends = 0
        while pair.round(n, is_for_ever, are_others):
            n_ends += pair.nodes[0].process.pid != pid
            pid = pair.nodes[0].process.pid
            n_tries += 1
            n += step
        print(f'# {n_tries} of about {n} requests refused: {n_ends} times it ended')
        expect(n_tries > 5, n_tries)


def a_node_that_gets_no_memory_once_keeps_every_promise():
    use_all(False, False, ROUND_STEP)


def a_node_that_gets_no_memory_for_a_while_keeps_every_promise():
    use_all(True, False, ROUND_STEP * 3)


def a_node_whose_libraries_get_no_memory_keeps_every_promise():
    use_all(False, True, 1)


def meshctl_ends_with_a_code_and_a_word():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        supply = Supply(mesh.directory)
        n_tries = 0
        for arguments in (['status'], ['peers', '-o', 'json'], ['invalidate', '--region', 'r', 'k'], ['doctor'], ['--help'],
                          ['why', '--region', 'r', 'k']):
            n = 0
            while True:
                supply.begin(n)
                command = supply.before([mesh.program('meshctl'), '--socket', node.socket, *arguments])
                process = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         text=True, timeout=DEADLINE_S, check=False)
                if not supply.end():
                    break
                if process.returncode not in (0, 2):
                    expect(process.returncode in STATUSES, f'{arguments}, request {n}: {process}')
                    expect(LAST_WORDS.search(process.stderr), f'{arguments}, request {n}: {process}')
                n += 1
            n_tries += n
        print(f'# {n_tries} requests of meshctl refused')
        expect(n_tries > 30, n_tries)


if sanitizers():
    print('1..0 # SKIP a sanitizer has its own malloc()')
elif IS_LONG:
    run([a_start_without_memory_goes_on_or_says_why_not,
         a_start_in_which_a_library_gets_no_memory_goes_on_or_says_why_not,
         a_node_that_gets_no_memory_once_keeps_every_promise, a_node_that_gets_no_memory_for_a_while_keeps_every_promise,
         a_node_whose_libraries_get_no_memory_keeps_every_promise])
else:
    run([a_start_without_memory_goes_on_or_says_why_not, a_node_that_gets_no_memory_once_keeps_every_promise,
         meshctl_ends_with_a_code_and_a_word])
