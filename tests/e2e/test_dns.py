#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nodes that find each other by DNS, with a server of the test's own that also lies, stammers and falls silent."""
import contextlib
import json
import random
import socket

from dns_server import A, AAAA, SRV, Dns
from mesh import Mesh, Skip, expect, expect_equal, free_port, read_text, run, until

NAME = 'mesh.test'
FAILS = {  # how the server answers, and what a node says of it
    'silent': 'no answer came in time',
    'wrong-id': 'no answer came in time',
    'wrong-question': 'no answer came in time',
    'servfail': 'no server gives an answer (SERVFAIL, REFUSED, or none listens)',
    'refused': 'no server gives an answer (SERVFAIL, REFUSED, or none listens)',
    'cut': 'the answer makes no sense',
    'loop': 'the answer makes no sense',
    'noise': 'the answer makes no sense',
    'chain': 'the answer is too large',
    'huge': 'the answer is too large',
}


def row(node):
    return node.status()['dns'][0]


def until_dns(node, state, **values):
    def is_so():
        found = row(node)
        return found['state'] == state and all(found[key] == value for key, value in values.items()) and found
    return until(f'{node.name}: dns {state} {values}', is_so)


class Street:
    """Addresses of loopback that nobody else has, and one port on all of them."""

    def __init__(self):
        self.prefix = f'127.{random.randint(1, 254)}.{random.randint(1, 254)}'
        self.port = free_port()

    def __getitem__(self, n):
        return f'{self.prefix}.{n}'

    def listen(self, n):
        return f'{self[n]}:{self.port}'


@contextlib.contextmanager
def named(**flags):
    """A mesh without multicast whose nodes ask the server for NAME."""
    with Dns() as dns, Mesh() as mesh:
        street = Street()
        flags = {'multicast': 'off', 'dns': f'{NAME}:{street.port}', 'dns_server': dns.address, **flags}
        yield dns, mesh, street, flags


def three_nodes_find_each_other_by_a_name():
    with named() as (dns, mesh, street, flags):
        dns.set(NAME, A, *(street[i] for i in range(1, 4)))
        nodes = [mesh.node(listen=street.listen(i), **flags).start() for i in range(1, 4)]
        mesh.wait_live()
        mesh.wait_counted()
        mesh.expect_full_mesh()
        for node in nodes:
            until_dns(node, 'good', addresses=3, surplus=0)
            # Its own address is one of them, and is not dialled.
            expect('peer.self' not in read_text(node.log) and 'dns.unusable' not in read_text(node.log), node.name)


def a_service_names_hosts_and_ports_of_both_families():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
        s.bind(('::1', 0))
        has_v6 = True
    if 'has_v6' not in locals():
        raise Skip('no IPv6 on this host')
    with named(dns=NAME) as (dns, mesh, _, flags):
        ports = [free_port() for _ in range(3)]
        dns.set('_cachemesh._tcp.' + NAME, SRV, *((f'h{i}.test', port) for i, port in enumerate(ports)), ('missing.test', 7),
                ('h0.test', 0), ('.', 9))
        dns.set('h0.test', A, '127.0.0.1')
        dns.set('h1.test', AAAA, '::1')
        dns.set('h2.test', A, '127.0.0.1')
        for address, port in zip(('127.0.0.1', '[::1]', '127.0.0.1'), ports):
            mesh.node(listen=f'{address}:{port}', **flags).start()
        mesh.wait_live()
        mesh.expect_full_mesh()
        until_dns(mesh.nodes[0], 'good', addresses=3)
        expect_equal(dns.asked(NAME), 0)


def a_name_without_the_service_stands_for_its_addresses():
    with named(dns=NAME) as (dns, mesh, street, flags):
        dns.set(NAME, A, street[1], street[2])
        node = mesh.node(alone_ms=300, **flags).start().wait_socket()
        until_dns(node, 'good', addresses=2)


def a_node_that_a_changed_record_names_joins():
    with named() as (dns, mesh, street, flags):
        dns.set(NAME, A, street[1], street[2])
        for i in (1, 2):
            mesh.node(listen=street.listen(i), **flags).start()
        mesh.wait_live()
        # It looks for nobody itself.
        mesh.node(listen=street.listen(3), multicast='off').start().wait_socket()
        dns.set(NAME, A, street[1], street[2], street[3])
        mesh.wait_live()
        mesh.expect_full_mesh()


def an_address_that_is_named_no_more_ends_no_link():
    with named() as (dns, mesh, street, flags):
        dns.set(NAME, A, *(street[i] for i in range(1, 5)))
        nodes = [mesh.node(listen=street.listen(i), **flags).start() for i in (1, 2)]
        mesh.wait_live()
        mesh.wait_counted()
        until_dns(nodes[0], 'good', addresses=4)
        dns.set(NAME, A, street[1])
        for node in nodes:
            until_dns(node, 'good', addresses=1)
        dns.remove(NAME)
        until_dns(nodes[0], 'empty', addresses=0)
        mesh.expect_full_mesh()
        for node in nodes:
            expect_equal(node.status()['peers_live'], 1)
            expect('lapse' not in read_text(node.log), node.name)
        status, out, _ = nodes[0].meshctl_status('doctor', '-o', 'json')
        expect(status == 2 and any(one['check'] == 'dns' and one['state'] == 'problem' and one['advice']
                                   for one in json.loads(out)['checks']), out)


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


run([three_nodes_find_each_other_by_a_name, a_service_names_hosts_and_ports_of_both_families,
     a_name_without_the_service_stands_for_its_addresses, a_node_that_a_changed_record_names_joins,
     an_address_that_is_named_no_more_ends_no_link, a_failure_keeps_the_last_answer_and_is_told_once,
     without_any_server_it_starts_and_says_so, rubbish_of_every_kind_costs_nothing,
     an_answer_that_is_too_long_for_a_datagram_comes_by_tcp])
