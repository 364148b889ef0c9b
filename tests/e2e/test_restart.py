#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""E7: a peer is killed and comes back on the same port, under load; each later invalidation arrives there.

Each round looks twice: the apps had cached the keys and must find none of
them afterwards; and the restarted node must have applied exactly as many operations as the streams of the others have grown by,
so that none is missing even where it has forgotten everything for another reason, as a node does that gets no CPU.
"""
import os
import random
import sys
import time

from mesh import SHORT_LEASE_MS, Mesh, expect, expect_equal, run, until

SEED = int(os.environ.get('CM_TEST_SEED', '0')) or random.SystemRandom().randrange(1, 1 << 32)
N_KEYS = 500
PATIENT_MS = 3000  # a lease that a busy machine keeps
BUSY_MS = 5000  # what a busy machine adds
TIMES = 5
TIMES_LONG = 100
MIX_S = 8
MIX_LONG_S = 60
LATE_MS = SHORT_LEASE_MS * 5 // 4  # a lease, its margin, and a clock's tick


class Rig:
    """An app on each of three nodes: one invalidates keys, one is a load, one is beside the node that is killed."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.nodes = [mesh.node().start() for _ in range(3)]
        mesh.wait_live()
        self.victim = self.nodes[2]
        self.victim.flags['listen'] = self.victim.status()['listen']
        self.apps = [node.app(name=f'app-{node.name}').wait_mode('live') for node in self.nodes]
        self.writer, self.loader, self.reader = self.apps
        self.n_load = 0

    def load_on(self):
        expect_equal(self.loader.ask('pump-start r load none')['rc'], 0)

    def load_off(self):
        load = self.loader.ask('pump-stop')
        expect_equal((load['error'], load['timeout'], load['pending']), (0, 0, 0))
        self.n_load += load['n']

    def ledger(self):
        """What the victim applied, in operations and in positions of the streams, and how often it forgot; with the load off."""
        for node, app in zip(self.nodes[:2], self.apps):
            # All that this app has published is in the stream when this returns.
            expect_equal(app.ask('invalidate r settled node')['rc'], 0)
            position = node.status()['position']
            until(f'{node.name} is applied', lambda one=node, at=position: self.victim.peer(one)['applied'] == at)
        stats = self.victim.stats()
        return stats['applied'], [self.victim.peer(node)['applied'] for node in self.nodes[:2]], stats['forgot']


def cache_all(app, prefix, n=N_KEYS):
    """Also where the load has just invalidated a key that shares its slot: such a one is a miss, and is stored again."""
    app.ask(f'fill r {prefix} 0 {n}')
    return app.ask(f'scan r {prefix} 0 {n}')['hits'] == n


def restart(rig):
    epoch = rig.reader.ask('state')['epoch']
    rig.victim.kill()
    rig.victim.start()
    until('the app has a new page', lambda: rig.reader.ask('state')['epoch'] not in (0, epoch))
    rig.reader.wait_mode('live')


def expect_dead(app, prefix):
    """All of them, and by this; returns how many were forgotten with everything else."""
    seen = app.scan(f'r {prefix} 0 {N_KEYS}')
    expect_equal((seen['hits'], seen['invalidated'] + seen['forgotten']), (0, N_KEYS))
    return seen['forgotten']


def restart_and_count(rig, number):
    prefix = f'round{number}-'
    restart(rig)
    rig.load_off()
    n_applied, positions, n_forgot = rig.ledger()
    rig.load_on()
    for app in (rig.reader, rig.loader):
        until('all are cached', lambda one=app: cache_all(one.wait_mode('live'), prefix))
    done = rig.writer.ask(f'publish r {prefix} 0 {N_KEYS} none')
    expect_equal((done['ok'], done['error']), (N_KEYS, 0))
    last = rig.writer.ask('invalidate r last mesh')
    at_once = rig.reader.ask(f'scan r {prefix} 0 {N_KEYS}')
    expect(last['rc'] in (0, 4), f'{last}')
    expect(last['rc'] == 4 or at_once['hits'] == 0, f'the write returned {last}, then {at_once}')
    rig.load_off()
    n_applied_now, positions_now, n_forgot_now = rig.ledger()
    rig.load_on()
    expect_equal(n_applied_now - n_applied, sum(positions_now) - sum(positions))
    # The keys, "last" and "settled".
    expect_equal(positions_now[0] - positions[0], N_KEYS + 2)
    for app in (rig.reader, rig.loader):
        app.wait_mode('live')
    expect_dead(rig.loader, prefix)
    expect(expect_dead(rig.reader, prefix) == 0 or n_forgot_now > n_forgot, 'forgotten without a reason')
    return n_applied_now - n_applied


def restarts(times):
    with Mesh(SHORT_LEASE_MS) as mesh:
        rig = Rig(mesh)
        rig.load_on()
        n_applied = sum(restart_and_count(rig, number) for number in range(times))
        rig.load_off()
        print(f'# {times} restarts, {times * N_KEYS} keys read, {n_applied} operations counted, beside a load of {rig.n_load}')
        mesh.wait_live()
        rig.ledger()
        mesh.wait_full_mesh()


def strike(source, nodes):
    """Several at once, and some again before they have joined."""
    victims = source.sample(nodes, source.choice([1, 1, 2, 3]))
    if source.random() < 0.7:
        for _ in range(source.choice([1, 1, 4])):
            for node in victims:
                node.kill()
            time.sleep(source.choice([0, source.uniform(0, 0.3)]))
            for node in victims:
                node.start()
            time.sleep(source.uniform(0, 0.2))
    else:
        for _ in range(source.choice([1, 10])):
            for node in victims:
                node.pause()
            time.sleep(source.choice([0, source.uniform(0, 3 * SHORT_LEASE_MS / 1000)]))
            for node in victims:
                node.resume()


def stop_one(_, nodes):
    """For so long that its app, which goes on reading, should have noticed."""
    nodes[0].pause()
    time.sleep(4 * SHORT_LEASE_MS / 1000)
    nodes[0].resume()


def read_and_write(program, seconds, strike_one=strike):
    """Apps on each of three nodes read and write one database, while any meshd is killed or stopped; what they counted."""
    print(f'# CM_TEST_SEED={SEED}')
    source = random.Random(SEED)
    with Mesh(SHORT_LEASE_MS) as mesh:
        # Small logs, which some fall behind. None is declared gone: who is, and publishes, is not waited for.
        nodes = mesh.start(3, gone_ms=60000, log_bytes=1 << 18)
        for node in nodes:
            node.flags['listen'] = node.status()['listen']
        apps = [node.app(name=f'app-{node.name}', program=program, timeout_ms=1000).wait_mode('live') for node in nodes]
        for app in apps:
            expect_equal(app.ask(f'db {mesh.directory}/db')['rc'], 0)
        end = time.monotonic() + seconds
        for app in apps:
            app.send(f'mix r 2 256 any {seconds * 1000} {LATE_MS}')
        while time.monotonic() < end - 1:
            strike_one(source, nodes)
            time.sleep(source.uniform(0, 1))
        answers = [app.receive(seconds + 30) for app in apps]
        for answer in answers:
            print(f'# {answer}')
        mesh.wait_live()
        for app in apps:
            until('nothing is pending', lambda one=app: one.ask('state')['pending'] == 0)
        mesh.wait_caught_up()
        return answers


def expect_nothing_old(answers):
    expect_equal([(a['stale'], a['stale_here'], a['late']) for a in answers], [(0, 0, 0)] * len(answers))
    expect_equal([(a['error'], a['read_errors']) for a in answers], [(0, 0)] * len(answers))
    expect(all(a['hits'] > 0 and a['ok'] > 0 for a in answers), f'nothing was tested: {answers}')


def a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_whichever_meshd_are_killed():
    expect_nothing_old(read_and_write('app', MIX_S))


def a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_for_a_minute():
    expect_nothing_old(read_and_write('app', MIX_LONG_S))


def without_leases_old_values_are_read_and_this_test_notices():
    answers = read_and_write('app-no-lease', MIX_S, stop_one)
    expect(sum(a['late'] for a in answers) > 0, 'nothing old was read, so the test proves nothing')


def after_a_kill_and_restart_on_the_same_port_under_load_every_invalidation_arrives():
    restarts(TIMES)


def after_a_hundred_kills_and_restarts_under_load_every_invalidation_arrives():
    restarts(TIMES_LONG)


def what_a_killed_meshd_had_not_read_arrives_with_the_next_calls_of_its_app():
    with Mesh() as mesh:
        nodes, (writer, reader) = mesh.start_with_apps(2)
        expect_equal(reader.ask('fill r k 0 100')['stored'], 100)
        nodes[0].pause()
        done = writer.ask('publish r k 0 100 none')
        expect_equal((done['ok'], done['error']), (100, 0))
        nodes[0].kill()
        nodes[0].start()
        mesh.wait_live()
        # It was dropped meanwhile, and everything forgotten; what is stored now is not.
        until('all are cached', lambda: cache_all(reader.wait_mode('live'), 'k', 100))
        until('the app has sent it', lambda: writer.ask('state')['pending'] == 0 and writer.is_live())
        expect_equal(writer.ask('invalidate r other node')['rc'], 0)
        until('it has arrived', lambda: nodes[1].peer(nodes[0])['applied'] == nodes[0].status()['position'])
        seen = reader.scan('r k 0 100')
        expect_equal((seen['hits'], seen['invalidated'] + seen['forgotten']), (0, 100))


def a_write_that_waits_while_the_peer_is_killed_ends_within_the_lease():
    with Mesh(PATIENT_MS) as mesh:
        nodes, apps = mesh.start_with_apps(3)
        nodes[2].kill()
        answer = apps[0].ask('invalidate r k mesh')
        # It cannot be asked, so it is lapsed, and until it is gone nobody proves that it did not drop us.
        expect(answer['rc'] in (0, 4), f'{answer}')
        expect(answer['applied'] == 1, f'{answer}')
        # L(1 + 3 rho) + 20 ms, and what a busy machine adds.
        expect(answer['ms'] < mesh.lease_ms * 1.003 + 20 + BUSY_MS, f'{answer}')
        nodes[2].start()
        mesh.wait_live()
        mesh.wait_counted()
        until('all apply it', lambda: apps[0].ask('invalidate r k mesh')['applied'] == 2)


if __name__ == '__main__':
    if 'long' in sys.argv[2:]:
        run([after_a_hundred_kills_and_restarts_under_load_every_invalidation_arrives,
             a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_for_a_minute])
    else:
        run([after_a_kill_and_restart_on_the_same_port_under_load_every_invalidation_arrives,
             a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_whichever_meshd_are_killed,
             without_leases_old_values_are_read_and_this_test_notices,
             what_a_killed_meshd_had_not_read_arrives_with_the_next_calls_of_its_app,
             a_write_that_waits_while_the_peer_is_killed_ends_within_the_lease])
