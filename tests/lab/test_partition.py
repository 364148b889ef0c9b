#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The network between nodes breaks: whole, in one direction, on one of two paths, and again and again. Nothing old is served."""
import sys
import time

from lab import Lab, NEVER_GONE_MS, PORT, expect, expect_equal, late_ms, mix_end, mix_start, until
from mesh import run

LEASES_GONE = 6
N_FLAPS = 1000
N_CUTS = 6
N_CUTS_LONG = 40
PARTIAL = 4


def last_hits_after_part(lab, nodes, apps):
    """Seconds from the cut to each app's last hit, in a time in which nobody is given up."""
    for app in apps:
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)
    for app in apps:
        app.send(f'last-hit r k {(LEASES_GONE - 2) * lab.lease_ms}')
    lab.network.part([nodes[0].host], [nodes[1].host])
    cut = time.monotonic_ns()
    answers = [app.receive() for app in apps]
    expect(all(answer['hits'] > 0 for answer in answers), f'never a hit: {answers}')
    return [(answer['last_hit_ns'] - cut) / 1e9 for answer in answers]


def both_sides_notice_a_broken_network_and_serve_nothing_beyond_the_lease_until_the_other_is_gone():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(2, {'gone_ms': LEASES_GONE * lab.lease_ms})
        late = last_hits_after_part(lab, nodes, apps)
        print(f'# last hits {late} s after the cut, the lease is {lab.lease_ms} ms')
        expect(max(late) * 1000 <= 1.25 * lab.lease_ms, f'{late}')
        for node, other in (nodes, nodes[::-1]):
            node.wait_peer(other, 'gone')
        lab.step('each has given the other up')
        for app in apps:
            expect(app.ask('get r k')['rc'] != 0, 'what was cached before is still served')
            expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        # Now both serve and write, and are told that the other one is not known to have heard it.
        for app in apps:
            answer = app.ask('invalidate r j mesh')
            expect(answer['rc'] != 0 and (answer['rc'] != PARTIAL or answer['unconfirmed'] == 1), f'{answer}')
            expect(app.ask('invalidate r k mesh')['rc'] != 0, 'told that everybody heard it')
            expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        lab.network.mend()
        lab.expect_whole('mended')
        for app in apps:
            expect(app.ask('get r k')['rc'] != 0, 'what was cached during the partition is still served')


def without_the_lease_check_hits_go_on_behind_a_broken_network_and_this_test_notices():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(2, {'gone_ms': LEASES_GONE * lab.lease_ms}, program='app-no-lease')
        late = last_hits_after_part(lab, nodes, apps)
        expect(min(late) * 1000 > 1.25 * lab.lease_ms, f'last hits {late} although nothing is checked')
        lab.network.mend()
        lab.expect_whole('mended')


def nothing_stale_is_read_while_the_network_breaks_and_heals():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3)
        mix_start(apps, 8)
        for number in range(3):
            one = lab.random.choice(nodes)
            others = [node.host for node in nodes if node is not one]
            lab.network.part([one.host], others)
            # Shorter than silence, longer, and longer than it takes to be given up.
            time.sleep((0.5, 2, 4)[number] * lab.lease_ms / 1000)
            lab.step(f'{one.name} is cut off')
            lab.network.mend()
            time.sleep(0.5)
        mix_end(apps, 8)
        lab.expect_whole('mended')


def one_way_cuts(n_cuts, seconds):
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3, {'gone_ms': NEVER_GONE_MS})
        mix_start(apps, seconds, late_ms(lab))
        end = time.monotonic() + seconds - 1
        for number in range(n_cuts):
            source, target = lab.random.sample(nodes, 2)
            lab.network.cut([source.host], [target.host])
            time.sleep(lab.random.uniform(0.1, 2.5) * lab.lease_ms / 1000)
            lab.step(f'cut {number} from {source.name} to {target.name}')
            lab.network.mend()
            time.sleep(lab.random.uniform(0, 0.5))
            if time.monotonic() > end:
                break
        mix_end(apps, seconds)
        lab.expect_whole('mended')


def the_mesh_stays_whole_when_one_of_two_interfaces_fails():
    with Lab() as lab:
        hosts = [lab.network.host(segments=(0, 1)) for _ in range(3)]
        for host in hosts:
            lab.node(host=host, listen=f'0.0.0.0:{PORT}').start()
        lab.wait_live()
        lab.wait_counted()
        apps = lab.add_apps(lab.nodes)
        lab.step('started')
        for number in (0, 1):
            interface = hosts[0].interfaces[number]
            mix_start(apps, 4)
            interface.down()
            # Its neighbours see no carrier change: they must find out by silence.
            mix_end(apps, 4)
            lab.expect_whole(f'without {interface.name} of n1')
            expect_equal(apps[0].ask('invalidate r k mesh')['rc'], 0)
            interface.up()
        lab.expect_whole('both paths again')


def a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_whatever_is_cut_in_one_direction():
    one_way_cuts(N_CUTS, 5)


def a_one_way_partition_shows_as_that_link_and_heals():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3)
        lab.network.cut([nodes[0].host], [nodes[1].host])
        until('n2 sees n1 silent', lambda: nodes[1].peer_state(nodes[0]) in ('silent', 'gone'))
        until('n3 is told of that link alone', lambda: [
            (row['from'], row['to']) for row in nodes[2].json('links')['links'] if row['state'] == 'cut'] in (
                [(nodes[0].name, nodes[1].name)], [(nodes[0].name, nodes[1].name), (nodes[1].name, nodes[0].name)]))
        lab.step('cut from n1 to n2')
        nodes[2].wait_peer(nodes[0], 'live')
        lab.network.mend()
        lab.expect_whole('mended')
        expect_equal(apps[0].ask('invalidate r k mesh')['rc'], 0)


def flaps(n):
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3, {'gone_ms': NEVER_GONE_MS})
        began, done = time.monotonic(), 0
        while done < n:
            mix_start(apps, 3, late_ms(lab))
            end = time.monotonic() + 2.5
            while done < n and time.monotonic() < end:
                interface = lab.random.choice(nodes).host.interfaces[0]
                interface.down()
                time.sleep(lab.random.choice((0, 0, 0.02, 0.1)))
                interface.up()
                done += 1
            mix_end(apps, 3, is_hit_wanted=False)
            lab.step(f'{done} times down and up')
        lab.expect_whole(f'{n} times down and up in {time.monotonic() - began:.0f} s')
        for app in apps:
            expect_equal(app.ask('until r k stored 30000')['rc'], 0)


def a_link_that_goes_down_and_up_a_thousand_times_costs_no_more_than_misses():
    flaps(N_FLAPS)


def a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_in_a_minute_of_one_way_cuts():
    one_way_cuts(N_CUTS_LONG, 60)


if __name__ == '__main__':
    if 'long' in sys.argv[2:]:
        run([nothing_stale_is_read_while_the_network_breaks_and_heals,
             a_one_way_partition_shows_as_that_link_and_heals,
             a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_in_a_minute_of_one_way_cuts,
             a_link_that_goes_down_and_up_a_thousand_times_costs_no_more_than_misses])
    else:
        run([both_sides_notice_a_broken_network_and_serve_nothing_beyond_the_lease_until_the_other_is_gone,
             without_the_lease_check_hits_go_on_behind_a_broken_network_and_this_test_notices,
             the_mesh_stays_whole_when_one_of_two_interfaces_fails,
             a_lease_after_it_was_in_a_stream_nobody_reads_what_was_before_whatever_is_cut_in_one_direction])
