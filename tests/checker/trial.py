# SPDX-License-Identifier: MIT
"""One trial: apps on three nodes read and change a real database through their caches, a nemesis strikes, the checker judges.

What is expected of the figures is left to the caller.
"""
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from mesh import BUILD, SHORT_LEASE_MS, App, Mesh, expect, free_port, parse, spawn, until  # noqa: E402 pylint: disable=wrong-import-position
from proxy import Proxy  # noqa: E402 pylint: disable=wrong-import-position

NODES = 3
APPS = 2  # on each node
READERS = 2  # threads of each app
WRITERS = 1
ROWS = 48
TIGHT_ROWS = 4  # for what must go wrong
READY_S = 60
MORE_S = 60  # a slow machine may take longer to read enough


def program(name):
    return os.path.join(BUILD, 'tests', 'checker', name)


class Client(App):  # pylint: disable=super-init-not-called
    """One process of client.c."""

    def __init__(self, trial, node):
        mesh = trial.mesh
        self.number = mesh.serial()
        self.name = f'client-{self.number}'
        self.node = node
        self.log = os.path.join(mesh.directory, f'{self.name}.log')
        self.rest = b''
        with open(self.log, 'ab') as log:
            self.process = spawn([program(trial.program), 'run', node.socket, self.name, trial.where,
                                  os.path.join(mesh.directory, f'history-{self.number}'), str(self.number), str(READERS),
                                  str(WRITERS), str(trial.rows), trial.token],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        mesh.apps.append(self)
        self.receive()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def end(self):
        expect(self.close(), f'{self.name} did not end in order: {self.process.returncode}')


class Nemesis:
    """One fault after the other, at most one cut beside them; a seed repeats the choice, not the moment."""

    def __init__(self, trial, seed):
        self.trial = trial
        self.random = random.Random(seed)
        self.cut_steps = 0
        self.counts = {}

    def strike(self):
        faults = [self.kill_node, self.pause_node, self.pause_node_shortly, self.kill_app, self.pause_app, self.cut]
        if self.cut_steps == 0:
            faults.append(self.stop_node)  # one that left in order and comes back behind a cut is not waited for: mesh.md
        fault = self.random.choice(faults)
        fault()
        self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
        self.cut_steps = max(0, self.cut_steps - 1)
        if self.cut_steps == 0:
            self.mend()

    def node(self):
        return self.random.choice(self.trial.mesh.nodes)

    def pass_time(self, low_s, high_s):
        time.sleep(self.random.uniform(low_s, high_s))

    def kill_node(self):
        node = self.node()
        node.kill()
        self.pass_time(0, 0.5)
        node.start()

    def stop_node(self):
        node = self.node()
        node.stop()
        node.start()

    def pause_node(self):
        node = self.node()
        node.pause()
        self.pass_time(0, 5 * SHORT_LEASE_MS / 1000)
        node.resume()

    def pause_node_shortly(self):
        node = self.node()
        node.pause()
        self.pass_time(0.01, 0.1)
        node.resume()

    def kill_app(self):
        clients = self.trial.clients
        at = self.random.randrange(len(clients))
        clients[at].kill()
        clients[at] = Client(self.trial, clients[at].node)

    def pause_app(self):
        client = self.random.choice(self.trial.clients)
        client.process.send_signal(signal.SIGSTOP)
        self.pass_time(0.01, 3 * SHORT_LEASE_MS / 1000)
        client.process.send_signal(signal.SIGCONT)

    def cut(self):
        """What one node sends does not arrive at another one, over the next few faults."""
        sender, receiver = self.random.sample(range(NODES), 2)
        self.trial.proxies[receiver].cut(self.trial.ids[sender])
        self.cut_steps = self.random.randrange(1, 4)

    def mend(self):
        for proxy in self.trial.proxies:
            proxy.mend()


class Trial:
    """@where: a database as client.c takes it, {} in it standing for the directory."""

    def __init__(self, where, token='before', program_name='client', rows=ROWS):
        self.where = where
        self.token = token
        self.program = program_name
        self.rows = rows
        self.mesh = None
        self.proxies = []
        self.ids = []
        self.clients = []
        self.nemesis = None
        self.n_errors = 0

    def run(self, seconds, n_reads=0, seed=None, keep=None):
        """The figures of the checker; with a seed the nemesis strikes."""
        with Mesh(SHORT_LEASE_MS) as self.mesh, contextlib.ExitStack() as stack:
            self.where = self.where.replace('{}', self.mesh.directory)
            self.start_nodes(stack)
            self.make_database()
            self.clients = [Client(self, node) for node in self.mesh.nodes for _ in range(APPS)]
            for node in self.mesh.nodes:
                node.meshctl('links', '--wait')
            self.nemesis = Nemesis(self, seed)
            self.pass_time(seconds, n_reads, seed is not None)
            self.heal()
            return self.judge(keep)

    def start_nodes(self, stack):
        """Each behind a proxy, which can cut what one other node sends."""
        for _ in range(NODES):
            port = free_port()
            self.proxies.append(stack.enter_context(Proxy(port)))
            self.mesh.node(listen=f'127.0.0.1:{port}', advertise=f'127.0.0.1:{self.proxies[-1].port}').start()
        self.mesh.wait_live(deadline_s=READY_S)
        self.mesh.wait_counted()
        self.ids = [uuid.UUID(node.status()['id']).bytes for node in self.mesh.nodes]

    def make_database(self):
        status = subprocess.run([program(self.program), 'create', self.where, str(self.rows)], check=False).returncode
        expect(status == 0, f'the database could not be made: exit {status}')

    def pass_time(self, seconds, n_reads, has_faults):
        began = time.monotonic()
        while time.monotonic() < began + seconds or (
                self.n_hits() < n_reads and time.monotonic() < began + seconds + MORE_S):
            if has_faults:
                self.nemesis.strike()
            time.sleep(self.nemesis.random.uniform(0, 0.5))

    def n_hits(self):
        """Of the living; what the killed have read counts in the end, too."""
        return sum(client.ask('count', READY_S)['hits'] for client in self.clients)

    def heal(self):
        self.nemesis.mend()
        self.mesh.wait_live(deadline_s=READY_S)
        counts = [client.ask('count', READY_S) for client in self.clients]
        until('every app is told that a write is done everywhere', lambda: all(
            client.ask('count', READY_S)['acks'] > before['acks'] for client, before in zip(self.clients, counts)), READY_S)
        self.n_errors = sum(client.ask('count', READY_S)['errors'] for client in self.clients)
        for client in self.clients:
            client.end()

    def judge(self, keep):
        names = sorted(name for name in os.listdir(self.mesh.directory) if name.startswith('history-'))
        began = time.monotonic()
        done = subprocess.run([program('checker'), *names], cwd=self.mesh.directory, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        expect(done.returncode in (0, 1), f'checker: exit {done.returncode}\n{done.stdout}')
        *shown, last = done.stdout.splitlines()
        figures = {**parse(last), 'errors': self.n_errors, 'processes': len({name.split('.')[0] for name in names}),
                   'check_s': round(time.monotonic() - began, 2)}
        for line in shown[:5]:
            print(f'# {line}')
        if keep and figures['illegal'] > 0:
            os.makedirs(keep, exist_ok=True)
            for name in names:
                subprocess.run(['cp', '--sparse=always', os.path.join(self.mesh.directory, name), keep], check=True)
        return figures
