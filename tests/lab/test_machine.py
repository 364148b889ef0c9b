#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The machine below fails: an interface is removed and made again, the disk is full, an app has other clocks than its meshd."""
import os
import signal
import subprocess
import sys
import time

from lab import Lab, Skip, expect, expect_equal, mix_end, mix_start, until
from disk import fill, small_disk
from mesh import DEADLINE_S, run

DISK_BYTES = 4 << 20
LOG_BYTES = 1 << 20
N_TIMES = 3
AWAY_S = 1


def an_interface_that_is_removed_and_made_again_carries_the_mesh_again():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3)
        for number in range(N_TIMES):
            interface = nodes[0].host.interfaces[0]
            mix_start(apps, 3)
            interface.remove()
            time.sleep(lab.random.uniform(0, 3) * lab.lease_ms / 1000)
            interface.add()
            mix_end(apps, 3)
            lab.expect_whole(f'{interface.name} is there again, {number + 1}')
        # Membership of the group went with the interface: a node that is new must be heard, too.
        heard = nodes[0].stats()['discovery_candidate_added']
        lab.node().start()
        lab.wait_live()
        until('its beacon was heard on the new interface', lambda: nodes[0].stats()['discovery_candidate_added'] > heard)
        lab.expect_whole('a fourth node')


def on_a_disk_that_becomes_full(lab, disk, program='meshd'):
    """Two nodes and their apps; the disk of the first one is full."""
    victim = lab.node(state_dir=os.path.join(disk, 'state'), runtime_dir=disk, log_bytes=LOG_BYTES)
    victim.program = program
    victim.start()
    other = lab.node(log_bytes=LOG_BYTES).start()
    lab.wait_live()
    lab.wait_counted()
    apps = lab.add_apps([victim, other])
    lab.step('started')
    fill(disk)
    return victim, apps


def publish_more_than_the_log_holds(app):
    """So each of its pages is written to."""
    return app.ask('publish r k 0 30000 node', deadline_s=60)


def without_room_taken_at_the_start_a_full_disk_ends_meshd_and_this_test_notices():
    with Lab() as lab, small_disk(lab.directory, DISK_BYTES) as disk:
        victim, apps = on_a_disk_that_becomes_full(lab, disk, 'meshd-log-sparse')
        done = publish_more_than_the_log_holds(apps[0])
        status = victim.process.wait(DEADLINE_S)
        print(f'# exit {status}, {done}')
        expect_equal(status, -signal.SIGBUS)


def a_disk_that_becomes_full_while_the_mesh_works_stops_nothing():
    with Lab() as lab, small_disk(lab.directory, DISK_BYTES) as disk:
        victim, apps = on_a_disk_that_becomes_full(lab, disk)
        done = publish_more_than_the_log_holds(apps[0])
        expect_equal((done['error'], done['timeout'], done['pending']), (0, 0, 0))
        lab.expect_whole('the disk is full')
        mix_start(apps, 2)
        mix_end(apps, 2)
        # A third node is something new to remember.
        lab.node().start()
        lab.expect_whole('a third node')
        # And with a full disk it starts again.
        victim.kill()
        victim.start()
        lab.expect_whole('started again with a full disk')
        os.unlink(os.path.join(disk, 'full'))
        victim.stop()
        victim.start()
        lab.expect_whole('started again with room')
        apps[0].wait_mode('live')
        expect_equal(apps[0].ask('until r k stored 30000')['rc'], 0)
        expect_equal(apps[1].ask('invalidate r k mesh')['rc'], 0)
        expect(apps[0].ask('get r k')['rc'] != 0, 'it does not hear any more')
        for node in lab.nodes:
            node.stop()


def with_other_clocks(offsets):
    """Runs what follows in a time namespace; this process cannot be in one itself."""
    return ['unshare', '--fork', '--kill-child=SIGKILL', '--time', *offsets, '--']


def other_clocks(offsets):
    done = subprocess.run([*with_other_clocks(offsets), 'true'], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if done.returncode != 0:
        raise Skip('no time namespaces here: ' + done.stderr.strip())
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(2)
        stranger = lab.app(nodes[1], name='stranger', inside=with_other_clocks(offsets))
        beside = apps[1]
        hit = stranger.ask('until r k stored 1500')
        state = stranger.ask('state')
        print(f'# {offsets}: {hit}, {state}')
        expect(hit['rc'] == 1 and state['mode'] != 'live' and 'clock' in state['reason'], f'{state}')
        for app in (beside.wait_mode('live'), stranger):
            app.ask('until r k stored 500')
            app.send(f'last-hit r k {AWAY_S * 1000}')
        nodes[1].pause()
        stopped = time.monotonic_ns()
        answer = apps[0].ask('invalidate r k mesh')
        seen = [app.receive() for app in (beside, stranger)]
        nodes[1].resume()
        print(f'# {answer}, then {seen}')
        expect((seen[0]['last_hit_ns'] - stopped) / 1e6 <= 1.25 * lab.lease_ms, f'{seen[0]}')
        expect_equal(seen[1]['hits'], 0)
        lab.expect_whole('on its way again')
        expect_equal(stranger.ask('invalidate r k node')['rc'], 0)


def an_app_whose_clock_is_ahead_in_a_time_namespace_serves_nothing_and_says_why():
    other_clocks(['--monotonic', '5000', '--boottime', '5000'])


def an_app_whose_clock_is_behind_in_a_time_namespace_serves_nothing_and_says_why():
    other_clocks(['--monotonic', '-60', '--boottime', '-60'])


if __name__ == '__main__':
    if 'long' in sys.argv[2:]:
        run([an_interface_that_is_removed_and_made_again_carries_the_mesh_again,
             an_app_whose_clock_is_ahead_in_a_time_namespace_serves_nothing_and_says_why,
             a_disk_that_becomes_full_while_the_mesh_works_stops_nothing,
             without_room_taken_at_the_start_a_full_disk_ends_meshd_and_this_test_notices])
    else:
        run([an_app_whose_clock_is_behind_in_a_time_namespace_serves_nothing_and_says_why])
