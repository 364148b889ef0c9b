#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A network that delays, loses, doubles and reorders; readers that fall behind; meshd that come and go by the dozen. Nothing old is
read, nothing is lost, and afterwards the mesh is whole.
"""
import sys
import time

from lab import Lab, NEVER_GONE_MS, expect, expect_equal, late_ms, mix_end, mix_start, until
from mesh import run

LOG_BYTES = 1 << 18
N_KEYS = 500
N_BACKLOG = 30_000  # more than a log of that size holds
N_STORMS = 12
N_STORMS_LONG = 120


def bad_weather(seconds):
    # A lease that outlasts the time after which TCP sends again, 200 ms and its double.
    with Lab(lease_ms=1000) as lab:
        nodes, apps = lab.start_with_apps(3, {'gone_ms': NEVER_GONE_MS})
        lab.network.path(delay_ms=1, jitter_ms=2, loss=0.01, twice=0.02, reorder=0.05, reorder_ms=3)
        # One direction is worse than all others.
        lab.network.path([nodes[0].host], [nodes[1].host], delay_ms=20, jitter_ms=20, loss=0.03)
        mix_start(apps, seconds, late_ms(lab))
        time.sleep(seconds / 2)
        lab.step('in bad weather')
        mix_end(apps, seconds)
        seen = lab.network.count(nodes[0].host, nodes[1].host)
        print(f'# from n1 to n2: {seen}')
        expect(seen['lost'] > 0 and seen['passed'] > 0, f'{seen}')
        lab.network.path()
        lab.expect_whole('the sun shines')


def over_a_network_that_loses_doubles_and_reorders_nothing_old_is_read():
    bad_weather(4)


def over_a_bad_network_nothing_old_is_read_for_a_minute():
    bad_weather(60)


def nodes_meet_over_a_network_that_loses_a_fifth_of_all_frames():
    with Lab() as lab:
        hosts = [lab.network.host() for _ in range(3)]
        lab.network.path(delay_ms=2, jitter_ms=2, loss=0.2, twice=0.1)
        for host in hosts:
            lab.node(host=host).start()
        lab.wait_live()
        lab.network.path()
        lab.expect_whole('met')


def a_node_that_reads_nothing_until_all_queues_are_full_misses_nothing():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(2, {'gone_ms': NEVER_GONE_MS, 'log_bytes': LOG_BYTES}, timeout_ms=1000)
        reader, writer = apps[1], apps[0]
        reader.wait_mode('live')
        until('all are cached', lambda: reader.ask(f'fill r k 0 {N_KEYS}') and reader.ask(f'scan r k 0 {N_KEYS}')['hits'] == N_KEYS)
        nodes[1].pause()
        writer.ask(f'publish r k 0 {N_KEYS} none')
        # More than its socket, the link's queue and the log take: the publisher goes on all the same.
        answer = writer.ask(f'publish r other 0 {N_BACKLOG} none', deadline_s=60)
        print(f'# {answer}')
        expect_equal((answer['error'], answer['timeout']), (0, 0))
        lab.step('the queue is full')
        nodes[1].resume()
        lab.expect_whole('it reads again')
        until('nothing is pending', lambda: writer.ask('state')['pending'] == 0)
        lab.wait_caught_up()
        expect_equal(reader.ask(f'scan r k 0 {N_KEYS}')['hits'], 0)
        stats = nodes[1].stats()
        print(f'# applied {stats["applied"]}, gaps {stats["gaps"]}, resets {stats["resets_received"]}')
        expect_equal(reader.ask('until r k0 stored 30000')['rc'], 0)
        expect_equal(writer.ask('invalidate r k0 mesh')['rc'], 0)
        expect(reader.ask('get r k0')['rc'] != 0, 'it does not hear any more')


def storm(n_storms, seconds):
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(4, {'gone_ms': NEVER_GONE_MS, 'log_bytes': LOG_BYTES}, timeout_ms=1000)
        mix_start(apps, seconds, late_ms(lab))
        end = time.monotonic() + seconds - 1
        n_kills = 0
        for _ in range(n_storms):
            victims = lab.random.sample(nodes, lab.random.choice((1, 2, 4)))
            for node in victims:
                node.kill()
            time.sleep(lab.random.uniform(0, 0.3))
            for node in victims:
                node.start()
                n_kills += 1
            time.sleep(lab.random.choice((0, 0.1, 0.6)))
            if time.monotonic() > end:
                break
        mix_end(apps, seconds, is_hit_wanted=False)
        lab.expect_whole(f'{n_kills} kills')
        for app in apps:
            until('nothing is pending', lambda one=app: one.ask('state')['pending'] == 0)
            app.wait_mode('live')
            expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        expect_equal(apps[0].ask('invalidate r k mesh')['rc'], 0)
        for app in apps:
            expect(app.ask('get r k')['rc'] != 0, f'{app.name} does not hear any more')


def a_storm_of_restarts_leaves_a_whole_mesh_and_nothing_old():
    storm(N_STORMS, 8)


def a_minute_of_restarts_leaves_a_whole_mesh_and_nothing_old():
    storm(N_STORMS_LONG, 60)


if __name__ == '__main__':
    if 'long' in sys.argv[2:]:
        run([nodes_meet_over_a_network_that_loses_a_fifth_of_all_frames,
             a_storm_of_restarts_leaves_a_whole_mesh_and_nothing_old,
             over_a_bad_network_nothing_old_is_read_for_a_minute,
             a_minute_of_restarts_leaves_a_whole_mesh_and_nothing_old])
    else:
        run([over_a_network_that_loses_doubles_and_reorders_nothing_old_is_read,
             a_node_that_reads_nothing_until_all_queues_are_full_misses_nothing])
