#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A DNS server that lies, stammers, is late or falls silent costs a node nothing but that, and is told."""
import contextlib

from dns_mesh import NAME, named, row, until_dns
from dns_server import A, Dns
from mesh import Mesh, expect, expect_equal, free_port, read_text, run, until

FAILS = {  # how the server answers, and what a node says of it
    'silent': 'no answer came in time',
    'wrong-id': 'no answer came in time',
    'wrong-question': 'no answer came in time',
    'servfail': 'no server gives an answer (SERVFAIL, REFUSED, or none listens)',
    'refused': 'no server gives an answer (SERVFAIL, REFUSED, or none listens)',
    'cut': 'the answer makes no sense',
    'loop': 'the answer makes no sense',
    'noise': 'the answer makes no sense',
    'short-chain': 'the answer makes no sense',
    'chain': 'the answer is too large',
    'huge': 'the answer is too large',
}


def a_failure_keeps_the_last_answer_and_is_told_once():
    with named() as (dns, mesh, street, flags):
        dns.set(NAME, A, street[1], street[2])
        node = mesh.node(listen=street.listen(1), alone_ms=300, **flags).start().wait_socket()
        until_dns(node, 'good', addresses=2)
        dns.mood = 'servfail'
        rounds = until_dns(node, 'failing', addresses=2, why=FAILS['servfail'])['rounds']
        until('it asks again', lambda: row(node)['rounds'] > rounds)
        warned = [line for line in read_text(node.log).splitlines() if 'event=dns.' in line and 'level=warning' in line]
        expect_equal(len(warned), 1)
        expect('SERVFAIL' in warned[0] and NAME in warned[0], warned)
        expect('dns' in node.meshctl('status', is_allowed=(0, 2)) and 'SERVFAIL' in node.meshctl('status', is_allowed=(0, 2)), 'status')
        # What it knew it still dials.
        other = mesh.node(listen=street.listen(2), multicast='off').start().wait_socket()
        node.wait_peer(other, 'live')
        dns.mood = 'well'
        until_dns(node, 'good', addresses=2, why='')


def a_mesh_serves_on_while_dns_is_slow_or_silent():
    # A lease that a busy machine keeps: a lapse is then DNS's fault.
    with named(lease_ms=3000) as (dns, mesh, street, flags):
        dns.mood = 'slow'
        dns.set(NAME, A, street[1], street[2])
        nodes = [mesh.node(listen=street.listen(i), **flags).start() for i in (1, 2)]
        mesh.wait_live()
        mesh.wait_counted()
        apps = [node.app(name=f'app-{node.name}').wait_mode('live') for node in nodes]
        until_dns(nodes[0], 'good', addresses=2)
        dns.mood = 'silent'
        lapses = [node.stats()['lapses'] for node in nodes]
        for node in nodes:
            until_dns(node, 'failing', addresses=2, why=FAILS['silent'])
        expect(all(app.is_live() for app in apps), 'apps are served')
        expect_equal([node.stats()['lapses'] for node in nodes], lapses)
        expect_equal([node.status()['peers_live'] for node in nodes], [1, 1])


def without_any_server_it_starts_and_says_so():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300, multicast='off', dns=[NAME, 'other.test:7000'], dns_server=f'127.0.0.1:{free_port()}')
        until_dns(node, 'failing', addresses=0)
        node.meshctl('wait', '--for=live')
        expect_equal([one['name'] for one in node.status()['dns']], [NAME, 'other.test:7000'])


def rubbish_of_every_kind_costs_nothing():
    with contextlib.ExitStack() as stack:
        mesh = stack.enter_context(Mesh())
        nodes = {}
        for mood in FAILS:
            dns = stack.enter_context(Dns())
            dns.mood = mood
            dns.set(NAME, A, '127.0.0.1')
            nodes[mood] = mesh.node(mood, alone_ms=300, multicast='off', dns=f'{NAME}:7000', dns_server=dns.address,
                                    mesh=f'{mesh.name}-{mood}', max_peers=4).start()
        for mood, why in FAILS.items():
            found = until_dns(nodes[mood], 'failing', addresses=0)
            expect_equal((mood, found['why']), (mood, why))
            nodes[mood].meshctl('wait', '--for=live')


def an_answer_that_is_too_long_for_a_datagram_comes_by_tcp():
    with named() as (dns, mesh, street, flags):
        dns.mood = 'truncated'
        dns.set(NAME, A, *(street[i] for i in range(1, 101)))
        node = mesh.node(alone_ms=300, **flags).start().wait_socket()
        until_dns(node, 'good', addresses=64, surplus=36)
        expect(any(is_tcp for _, _, is_tcp in dns.questions), dns.questions)


run([a_failure_keeps_the_last_answer_and_is_told_once, a_mesh_serves_on_while_dns_is_slow_or_silent,
     without_any_server_it_starts_and_says_so, rubbish_of_every_kind_costs_nothing,
     an_answer_that_is_too_long_for_a_datagram_comes_by_tcp])
