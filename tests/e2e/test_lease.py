#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A meshd that is stopped serves nothing for long: no bounded hit in any of its apps later than a lease and a beat."""
import os
import time

from mesh import SHORT_LEASE_MS, Mesh, expect, expect_equal, run, until

LEASE_MS = 1000
N_APPS = 3


def last_hits(program):
    """Seconds from the stop of the own meshd to the last hit of each app, and what the time limit is."""
    with Mesh(lease_ms=LEASE_MS) as mesh:
        enough = os.path.join(mesh.directory, 'enough')
        first, second = mesh.start(2)
        apps = [second.app(name=f'app{i}', program=program).wait_mode('live') for i in range(N_APPS)]
        writer = first.app(name='writer').wait_mode('live')
        for app in apps:
            expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        for app in apps:
            app.send(f'last-hit r k {enough.replace("/", "%")}')
        second.pause()
        stopped = time.monotonic_ns()
        # The value changes elsewhere; the writer is told when nobody serves the old one.
        written = writer.ask('invalidate r k mesh')
        returned = (time.monotonic_ns() - stopped) / 1e9
        time.sleep(2 * LEASE_MS / 1000)  # what is looked for is a hit in this time
        with open(enough, 'wb'):
            pass
        answers = [app.receive() for app in apps]
        after = [app.ask('get r k') for app in apps]
        second.resume()
        mesh.wait_live()
        for app in apps:
            app.wait_mode('live')
            expect(app.ask('get r k')['rc'] != 0, 'the old value came back with the meshd')
        expect(all(answer['hits'] > 0 for answer in answers), f'never a hit: {answers}')
        late = [(answer['last_hit_ns'] - stopped) / 1e9 for answer in answers]
        print(f'# {program}: last hits {[round(s, 3) for s in late]} s after the stop, write done at {returned:.3f} s: {written}')
        return late, (mesh.lease_ms * 1.25) / 1000, returned, written, after


def no_app_has_a_bounded_hit_later_than_a_lease_and_a_beat_after_its_meshd_stopped():
    late, limit, returned, written, after = last_hits('app')
    expect(max(late) <= limit, f'a hit {max(late):.3f} s after the stop, allowed are {limit} s')
    expect_equal([answer['reason'] for answer in after], ['lease'] * N_APPS)
    expect_equal((written['rc'], written['applied'], written['lapsed']), (0, 0, 1))
    expect(max(late) <= returned, f'the write returned at {returned:.3f} s, the last hit was at {max(late):.3f} s')


def without_the_lease_check_hits_go_on_and_this_test_notices():
    late, limit, returned, _, after = last_hits('app-no-lease')
    expect(min(late) > max(limit, returned), f'last hits {late} although nothing is checked')
    expect_equal([answer['rc'] for answer in after], [0] * N_APPS)


def a_ttl_region_goes_on_while_its_meshd_is_stopped():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        app = node.app().wait_mode('live')
        expect_equal(app.ask('region t ttl 60000 1048576')['rc'], 0)
        expect_equal(app.ask('until t k stored 30000')['rc'], 0)
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        node.pause()
        expect_equal(app.ask('until r k miss 30000')['rc'], 0)
        expect_equal(app.ask('get t k')['rc'], 0)
        node.resume()


def a_wait_for_a_ttl_region_is_partial_while_a_meshd_is_stopped():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        for app in apps:
            expect_equal(app.ask('region t ttl 60000 1048576')['rc'], 0)
        expect_equal(apps[1].ask('until t k stored 30000')['rc'], 0)
        until('its options are known', lambda: apps[0].ask('invalidate t other mesh')['rc'] == 0)
        nodes[1].pause()
        answer = apps[0].ask('invalidate t k mesh')
        expect_equal((answer['rc'], answer['members']), (4, f'{nodes[1].name}:unconfirmed'))
        expect_equal(apps[1].ask('get t k')['rc'], 0)  # served on, as it says
        nodes[1].resume()
        mesh.wait_live()
        apps[0].wait_mode('live')
        until('it acknowledges again', lambda: apps[0].ask('invalidate t k mesh')['rc'] == 0)
        expect_equal(apps[1].ask('get t k')['rc'], 1)


def a_node_cut_off_by_a_stopped_peer_serves_again_when_the_peer_is_gone():
    with Mesh() as mesh:
        first, second = mesh.start(2)
        app = first.app().wait_mode('live')
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        second.pause()
        expect_equal(app.ask('until r k miss 30000')['rc'], 0)
        expect_equal(app.ask('get r k')['reason'], 'lease')
        first.wait_peer(second, 'gone')
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        second.resume()
        mesh.wait_live()


def a_wait_that_stays_open_while_its_meshd_catches_up_does_not_keep_it_busy():
    with Mesh(SHORT_LEASE_MS) as mesh:
        first, second = mesh.start(2)
        app = first.app(timeout_ms=4000).wait_mode('live')
        second.pause()
        turns = first.stats()['loop_turns']
        app.send('invalidate r k mesh')
        until('it is in the stream', lambda: first.status()['position'] == 1)
        # Away for longer than half a lease: afterwards it answers nobody until the other is silent anew.
        first.pause()
        time.sleep(2 * mesh.lease_ms / 1000)  # the pause is what is tested
        first.resume()
        written = app.receive()
        turns = first.stats()['loop_turns'] - turns
        print(f'# {turns} turns of the loop, {written}')
        expect(written['rc'] in (0, 3, 4), f'{written}')
        expect(turns < 2000, f'{turns} turns of the loop')
        second.resume()
        mesh.wait_live()


if __name__ == '__main__':
    run([no_app_has_a_bounded_hit_later_than_a_lease_and_a_beat_after_its_meshd_stopped,
         without_the_lease_check_hits_go_on_and_this_test_notices,
         a_ttl_region_goes_on_while_its_meshd_is_stopped,
         a_wait_for_a_ttl_region_is_partial_while_a_meshd_is_stopped,
         a_node_cut_off_by_a_stopped_peer_serves_again_when_the_peer_is_gone,
         a_wait_that_stays_open_while_its_meshd_catches_up_does_not_keep_it_busy])
