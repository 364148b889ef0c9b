# SPDX-License-Identifier: MIT
"""The lab: a mesh of real processes, each node on a host of its own, and the network between them that can fail.

It is the Mesh of the system tests with meshd in the namespace of its host. Apps and meshctl reach it through its socket, a file.
What is stale is judged by the apps (tests/e2e/app_load.c), from the versions that were written.
"""
import os
import random
import subprocess

from hosts import Network
from audit import QUARANTINE_MIB, Audit  # after hosts, which says where mesh is
from mesh import DEADLINE_S, Mesh, Node, Skip, bound_quarantine, expect, expect_equal, until

SEED = int(os.environ.get('CM_TEST_SEED', '0')) or random.SystemRandom().randrange(1, 1 << 32)
LEASE_MS = 400
NEVER_GONE_MS = 600_000
PORT = 6781
N_ROWS = 64
NICE_MESHD, NICE_APP = -10, 5

bound_quarantine(QUARANTINE_MIB)


class LabNode(Node):
    def __init__(self, lab, host, name, flags):
        super().__init__(lab, name, {'listen': f'{host.address}:{PORT}', 'key': lab.key(), **flags})
        self.host = host

    def arguments(self):
        # On a busy machine meshd would be away for longer than half of these short leases, and serve nothing: safe, but proof of
        # nothing.
        return self.host.command(['nice', '-n', str(NICE_MESHD), *super().arguments()])


class Lab(Mesh):
    def __init__(self, lease_ms=LEASE_MS, seed=SEED):
        super().__init__(lease_ms)
        try:
            self.network = Network(seed)
        except BaseException:
            self.close()
            raise
        self.random = random.Random(seed)
        self.audit = Audit()
        self.key_path = None

    def __exit__(self, kind, value, trace):
        try:
            super().__exit__(kind, value, trace)
        finally:
            self.network.__exit__(kind, value, trace)

    def key(self):
        """All nodes have one mesh key: without it meshd does not leave its host."""
        if self.key_path is None:
            path = os.path.join(self.directory, 'key')
            done = subprocess.run([self.program('meshctl'), 'key', 'new', path], capture_output=True, text=True,
                                  timeout=DEADLINE_S, check=False)
            expect(done.returncode == 0, done.stderr)
            self.key_path = path
        return self.key_path

    def node(self, name=None, host=None, **flags):
        """On a new host unless one is given; not started yet."""
        host = host or self.network.host()
        node = LabNode(self, host, name or f'n{len(self.nodes) + 1}', {key.replace('_', '-'): v for key, v in flags.items()})
        self.nodes.append(node)
        return node

    def start_with_apps(self, n, flags=None, **keywords):  # pylint: disable=arguments-differ
        """n nodes that see each other live, and an app of each, all with one database."""
        nodes = self.start(n, **(flags or {}))
        apps = self.add_apps(nodes, **keywords)
        self.step('started')
        return nodes, apps

    def add_apps(self, nodes, **keywords):
        keywords.setdefault('inside', ['nice', '-n', str(NICE_APP)])
        apps = [node.app(name=f'app-{node.name}', **keywords).wait_mode('live') for node in nodes]
        for app in apps:
            expect_equal(app.ask(f'db {self.directory}/db')['rc'], 0)
        return apps

    def step(self, name):
        self.audit.step(name, self.nodes)

    def expect_whole(self, name, deadline_s=2 * DEADLINE_S):
        """Everybody sees everybody live again, has applied everything, and can serve."""
        running = [node for node in self.nodes if node.is_running()]
        self.wait_live(running, deadline_s)
        self.wait_counted(running)
        self.wait_caught_up(running)
        for node in running:
            node.meshctl('links', '--wait')
            until(f'{node.name} has a lease', lambda one=node: one.status()['lease_left_ms'] > 0)
        for node in running:
            position = node.status()['position']
            for other in running:
                if other is not node:
                    until(f'{other.name} has applied {node.name}',
                          lambda one=other, of=node, at=position: one.peer(of)['applied'] >= at)
        self.step(name + ': whole')


def mix_start(apps, seconds, late_ms=0, threads=2, wait='any'):
    """All read and write the rows of one database from now on."""
    for app in apps:
        app.send(f'mix r {threads} {N_ROWS} {wait} {int(seconds * 1000)} {late_ms}')


def mix_end(apps, seconds, is_hit_wanted=True):
    """Nothing old was read, and something was read at all; what each app counted."""
    answers = [app.receive(seconds + 60) for app in apps]
    for app, answer in zip(apps, answers):
        print(f'# {app.name}: {answer}')
    expect_equal([(a['stale'], a['stale_here'], a['late']) for a in answers], [(0, 0, 0)] * len(answers))
    expect_equal([(a['error'], a['read_errors']) for a in answers], [(0, 0)] * len(answers))
    if is_hit_wanted:
        expect(all(a['hits'] > 0 for a in answers), f'nothing was tested: {answers}')
    return answers


def late_ms(lab):
    """Later than this after it was in a stream nobody reads what was before: a lease, its margin, and a clock's tick."""
    return lab.lease_ms * 5 // 4


__all__ = ['Lab', 'LabNode', 'NEVER_GONE_MS', 'PORT', 'SEED', 'Skip', 'expect', 'expect_equal', 'late_ms', 'mix_end', 'mix_start',
           'until']
