#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nodes on hosts of their own come, go and meet strangers: scenarios E2 to E9."""
import contextlib
import socket
import sys
import time

from hosts import ip
from lab import Lab, PORT, expect, expect_equal, until
from mesh import read_text, run

IN_USE, FAILED = 75, 1
STRANGERS = 50
N_KEYS = 200


def nodes_that_start_in_any_order_are_connected_each_to_each():
    with Lab() as lab:
        nodes = [lab.node() for _ in range(5)]
        for node in lab.random.sample(nodes, len(nodes)):
            node.start()
            time.sleep(lab.random.choice((0, 0.1, 0.5)))
        lab.wait_live()
        lab.wait_full_mesh()
        lab.expect_whole('five nodes')


def the_node_that_starts_first_connects_to_each_later_one():
    with Lab() as lab:
        first = lab.node(alone_ms=1000).start()
        until('it is live alone', lambda: first.wait_socket().status()['state'] == 'live')
        app = first.app().wait_mode('live')
        for _ in range(3):
            later = lab.node().start()
            lab.wait_live()
            lab.wait_counted()
            other = later.app(name=f'app-{later.name}').wait_mode('live')
            expect_equal(other.ask('until r k stored 30000')['rc'], 0)
            answer = app.ask('invalidate r k mesh')
            expect_equal((answer['rc'], answer['applied'] + answer['lapsed']), (0, len(lab.nodes) - 1))
            expect(other.ask('get r k')['rc'] != 0, 'what the first node says does not arrive')
        lab.wait_full_mesh()


def a_host_without_a_multicast_route_is_found_all_the_same():
    with Lab() as lab:
        hosts = [lab.network.host() for _ in range(2)]
        ip(hosts[0].namespace, 'route', 'del', '224.0.0.0/4')
        for host in hosts:
            lab.node(host=host).start()
        lab.wait_live()
        expect_equal([node.status()['multicast'] for node in lab.nodes], ['on', 'on'])


def where_multicast_does_not_pass_a_static_peer_is_enough():
    with Lab() as lab:
        hosts = [lab.network.host() for _ in range(3)]
        # A hub for each group of its own: beacons of one are not heard by the other.
        for number, host in enumerate(hosts):
            lab.node(host=host, port=lab.port + number, **({'peer': f'{hosts[0].address}:{PORT}'} if number else {})).start()
        lab.wait_live()
        lab.wait_full_mesh()


def an_interface_that_is_down_is_told_and_waited_for():
    with Lab() as lab:
        first, second = lab.network.host(), lab.network.host()
        first.interfaces[0].down()
        node = lab.node(host=first, interface='eth0').start().wait_socket()
        lab.node(host=second).start()
        until('it says what it waits for', lambda: 'event=multicast.state' in read_text(node.log))
        said = next(line for line in read_text(node.log).splitlines() if 'event=multicast.state' in line)
        print(f'# {said}')
        expect('eth0' in said, said)
        first.interfaces[0].up()
        lab.expect_whole('the interface is up')


def a_second_meshd_on_a_host_takes_a_free_port_or_names_the_holder_of_the_chosen_one():
    with Lab() as lab:
        host = lab.network.host()
        first = lab.node(host=host).start().wait_socket()
        second = lab.node(host=host).start()
        until('the second one has ended', lambda: not second.is_running())
        text = read_text(second.log)
        expect(second.process.returncode in (FAILED, IN_USE) and str(first.process.pid) in text, text)
        third = lab.node(host=host, listen=f'{host.address}:0').start()
        lab.wait_live([first, third])
        lab.wait_full_mesh([first, third])


def a_node_that_is_stopped_in_order_takes_nothing_with_it_and_nobody_waits_for_it():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3)
        for app in apps:
            app.ask(f'fill r k 0 {N_KEYS}')
        done = apps[2].ask(f'publish r k 0 {N_KEYS} node')
        expect_equal(done['ok'], N_KEYS)
        nodes[2].stop()
        for app in apps:
            expect_equal(app.ask(f'scan r k 0 {N_KEYS}')['hits'], 0)
        answer = apps[0].ask('invalidate r k mesh')
        expect_equal((answer['rc'], answer['applied'] + answer['lapsed'], answer['unconfirmed']), (0, 1, 0))
        lab.step('n3 has left')
        expect_equal(apps[0].ask('until r k stored 30000')['rc'], 0)


def all_that_a_killed_node_had_acknowledged_stands():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3)
        for app in apps:
            app.ask(f'fill r k 0 {N_KEYS}')
        done = apps[2].ask(f'publish r k 0 {N_KEYS} mesh')
        expect_equal(done['ok'], N_KEYS)
        nodes[2].kill()
        for app in apps[:2]:
            expect_equal(app.ask(f'scan r k 0 {N_KEYS}')['hits'], 0)
        nodes[0].wait_peer(nodes[2], 'gone')
        lab.step('n3 was killed')
        expect_equal(apps[0].ask('until r k stored 30000')['rc'], 0)
        nodes[2].start()
        lab.expect_whole('n3 is back')
        apps[2].wait_mode('live')
        expect_equal(apps[2].ask(f'scan r k 0 {N_KEYS}')['hits'], 0)


def the_first_invalidation_after_a_kill_and_restart_on_the_same_port_arrives():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3)
        for number in range(2):
            epoch = apps[2].ask('state')['epoch']
            nodes[2].kill()
            nodes[2].start()
            until('the app has a new page', lambda one=epoch: apps[2].ask('state')['epoch'] not in (0, one))
            apps[2].wait_mode('live')
            expect_equal(apps[2].ask('until r k stored 30000')['rc'], 0)
            answer = apps[0].ask('invalidate r k mesh')
            expect(answer['rc'] in (0, 4), f'{answer}')
            until('it has arrived', lambda: nodes[2].peer(nodes[0])['applied'] == nodes[0].status()['position'])
            expect(apps[2].ask('get r k')['rc'] != 0, 'the ancestor of this software loses it, too')
            lab.expect_whole(f'restart {number}')


def strangers_that_connect_and_close_change_nothing():
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(2)
        expect_equal(apps[0].ask('until r k stored 30000')['rc'], 0)
        before = [node.stats() for node in nodes]
        stranger = lab.network.host()
        with contextlib.ExitStack() as stack:
            for number in range(STRANGERS):
                s = stack.enter_context(stranger.socket(socket.SOCK_STREAM))
                s.connect((nodes[number % 2].host.address, PORT))
                if number % 3:
                    s.sendall(lab.random.randbytes(64))
                if number % 5:
                    s.close()
            lab.step(f'{STRANGERS} strangers')
            for node, was in zip(nodes, before):
                now = node.stats()
                for name in ('forgot', 'gaps', 'resets_received', 'mesh_hangups'):
                    expect_equal((name, now[name]), (name, was[name]))
            answer = apps[1].ask('invalidate r k mesh')
            expect_equal((answer['rc'], answer['applied'] + answer['lapsed']), (0, 1))
            expect(apps[0].ask('get r k')['rc'] != 0, 'the invalidation did not arrive')
        lab.expect_whole('the strangers are gone')


if __name__ == '__main__':
    if 'long' in sys.argv[2:]:
        run([a_host_without_a_multicast_route_is_found_all_the_same,
             where_multicast_does_not_pass_a_static_peer_is_enough,
             an_interface_that_is_down_is_told_and_waited_for,
             a_second_meshd_on_a_host_takes_a_free_port_or_names_the_holder_of_the_chosen_one,
             all_that_a_killed_node_had_acknowledged_stands,
             the_node_that_starts_first_connects_to_each_later_one])
    else:
        run([nodes_that_start_in_any_order_are_connected_each_to_each,
             a_node_that_is_stopped_in_order_takes_nothing_with_it_and_nobody_waits_for_it,
             the_first_invalidation_after_a_kill_and_restart_on_the_same_port_arrives,
             strangers_that_connect_and_close_change_nothing])
