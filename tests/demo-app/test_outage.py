#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A meshd is killed or stopped under a running app: the app answers on, shows nothing stale, and loses no change."""
import os
import signal
import sys
import time

ROOT, BUILD = (os.path.abspath(argument) for argument in sys.argv[1:3])
sys.path[:0] = [os.path.join(ROOT, 'demo-app'), os.path.join(ROOT, 'tests', 'lint')]

from story_nodes import Mesh, Signals  # noqa: E402
from tap import expect, expect_equal, run  # noqa: E402

signals = Signals()
# A change waits for the mesh as long as a lease at most, and as the library's deadline when meshd does not answer.
WRITE_S = 8


class Outage(Mesh):
    """Three nodes on which anna and ben exist, as a context manager."""

    def __init__(self):
        super().__init__(BUILD, signals, ['--no-login'])

    def __enter__(self):
        try:
            self.start_all()
            for person in ('anna', 'ben'):
                self.nodes[0].post('/api/people', name=person)
        except BaseException:
            self.show_logs()
            self.close()
            raise
        return self

    def __exit__(self, kind, *unused):
        if kind:
            self.show_logs()
        self.close()

    def check_alive(self):
        """A meshd that was killed is no failure here."""


def folders(node):
    return [folder['name'] for folder in node.get('/api/people/anna')['folders']]


def add(node, name):
    began = time.monotonic()
    answer = node.post('/api/people/anna/folders', name=name)
    expect(time.monotonic() - began < WRITE_S, f'adding {name} took {time.monotonic() - began} s')
    return answer['told']


def is_cached(node):
    return node.get('/api/people/anna')['cache'] == 'hit'


def kill_meshd(node):
    process = node.processes.pop('meshd')
    process.kill()
    process.wait()


def agree(mesh, names):
    """All nodes live, all show the same, all from their caches again."""
    mesh.wait_live()
    for node in mesh.nodes:
        mesh.until(f'the app of {node.name} is live', node.is_app_live)
        mesh.until(f'{node.name} shows {names}', lambda: folders(node) == names)
        mesh.until(f'{node.name} answers from its cache', lambda: is_cached(node))
        expect_equal(folders(node), names)


def an_app_without_its_meshd_answers_on_and_loses_no_change():
    with Outage() as mesh:
        one, two, three = mesh.nodes
        agree(mesh, [])
        kill_meshd(two)
        expect_equal(add(one, 'a'), 'everywhere')
        for node in mesh.nodes:
            expect_equal(folders(node), ['a'])
        expect_equal(add(two, 'b'), 'pending')
        expect_equal(folders(two), ['a', 'b'])
        two.start_meshd()
        # Nobody asks node 2 meanwhile: its app itself reconnects and hands over what was pending.
        mesh.until('node-1 is told of b', lambda: folders(one) == ['a', 'b'])
        mesh.until('node-3 is told of b', lambda: folders(three) == ['a', 'b'])
        agree(mesh, ['a', 'b'])
        expect_equal(add(two, 'c'), 'everywhere')
        agree(mesh, ['a', 'b', 'c'])


def an_app_whose_meshd_is_stopped_serves_nothing_stale():
    with Outage() as mesh:
        one, two, _ = mesh.nodes
        agree(mesh, [])
        two.processes['meshd'].send_signal(signal.SIGSTOP)
        # The change waits until node 2's lease is over: from then on it must not answer from its cache.
        told = add(one, 'a')
        answer = two.get('/api/people/anna')
        expect_equal((told, answer['cache'], [f['name'] for f in answer['folders']]), ('everywhere', 'miss', ['a']))
        expect(add(two, 'b') in ('pending', 'timeout'), 'a meshd that is stopped told others')
        expect_equal(folders(two), ['a', 'b'])
        two.processes['meshd'].send_signal(signal.SIGCONT)
        agree(mesh, ['a', 'b'])


def a_meshd_killed_in_the_middle_of_changes_loses_none():
    with Outage() as mesh:
        _, two, three = mesh.nodes
        names = [f'f{number:02}' for number in range(40)]
        for number, name in enumerate(names):
            if number in (10, 25):
                kill_meshd(three)
                three.start_meshd()
            add(two if number % 2 else three, name)
        agree(mesh, names)


run([an_app_without_its_meshd_answers_on_and_loses_no_change, an_app_whose_meshd_is_stopped_serves_nothing_stale,
     a_meshd_killed_in_the_middle_of_changes_loses_none])
