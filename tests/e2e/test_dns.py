#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nodes that find each other by DNS: by addresses, by a service, and as the records change."""
import contextlib
import json
import socket

from dns_mesh import NAME, named, until_dns
from dns_server import A, AAAA, SRV
from mesh import Skip, expect, expect_equal, free_port, read_text, run


def three_nodes_find_each_other_by_a_name():
    with named() as (dns, mesh, street, flags):
        dns.set(NAME, A, *(street[i] for i in range(1, 4)))
        nodes = [mesh.node(listen=street.listen(i), **flags).start() for i in range(1, 4)]
        mesh.wait_live()
        mesh.wait_counted()
        mesh.wait_full_mesh()
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
        mesh.wait_full_mesh()
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
        mesh.wait_full_mesh()


def an_address_that_is_named_no_more_ends_no_link():
    # A lease that a busy machine keeps: a lapse is then DNS's fault.
    with named(lease_ms=3000) as (dns, mesh, street, flags):
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
        mesh.wait_full_mesh()
        for node in nodes:
            expect_equal(node.status()['peers_live'], 1)
            expect('lapse' not in read_text(node.log), node.name)
        status, out, _ = nodes[0].meshctl_status('doctor', '-o', 'json')
        expect(status == 2 and any(one['check'] == 'dns' and one['state'] == 'problem' and one['advice']
                                   for one in json.loads(out)['checks']), out)


def nodes_with_a_key_find_each_other_too():
    with named() as (dns, mesh, street, flags):
        key = mesh.key()
        dns.set(NAME, A, street[1], street[2])
        for i in (1, 2):
            mesh.keyed_node(key, listen=street.listen(i), **flags).start()
        mesh.wait_live()
        mesh.wait_full_mesh()


run([three_nodes_find_each_other_by_a_name, a_service_names_hosts_and_ports_of_both_families,
     a_name_without_the_service_stands_for_its_addresses, a_node_that_a_changed_record_names_joins,
     an_address_that_is_named_no_more_ends_no_link, nodes_with_a_key_find_each_other_too])
