#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each thing that can be wrong on one host is really brought about: doctor names it, says what to do, and ends with 2."""
import contextlib
import json
import os
import resource
import uuid

from mesh import Mesh, expect, expect_equal, free_port, run, until
from proxy import Proxy

DEGRADED = 2


def examine(node):
    status, out, error = node.meshctl_status('doctor', '-o', 'json')
    expect(status in (0, DEGRADED) and not error, f'exit {status}: {error}')
    document = json.loads(out)
    expect_equal(document['schema'], 'cachemesh.doctor/1')
    expect_equal(status, DEGRADED if document['problems'] else 0)
    expect_equal(document['problems'], sum(row['state'] == 'problem' for row in document['checks']))
    return document['checks']


def rows(node, check, state, *words):
    """Rows of this check and state whose finding has all the words; advice is what a problem always has."""
    found = [row for row in examine(node) if row['check'] == check and row['state'] == state
             and all(word in row['finding'] for word in words)]
    expect(state != 'problem' or all(row['advice'] for row in found), found)
    return found


def until_told(node, check, state, *words):
    return until(f'{node.name} tells {check} {state} {words}', lambda: rows(node, check, state, *words))


def a_sound_mesh_has_no_problem():
    with Mesh() as mesh:
        nodes = mesh.start(3)
        for node in nodes:
            until(f'{node.name} is fine', lambda one=node: all(row['state'] != 'problem' for row in examine(one)))
        checks = [row['check'] for row in examine(nodes[0])]
        expect_equal(sorted(set(checks)), sorted(['node', 'peers', 'links', 'dial', 'refused', 'multicast', 'dns', 'foreign', 'key', 'gone-ms',
                                                  'single', 'storage', 'limits', 'clocks', 'holds', 'regions']))
        expect(rows(nodes[0], 'multicast', 'note', 'stays on this host'), 'it is on loopback only')


def the_table_has_the_advice_below_the_finding():
    with Mesh() as mesh:
        nodes = mesh.start(2)
        nodes[1].kill()
        nodes[0].wait_peer(nodes[1], 'gone')
        status, out, _ = nodes[0].meshctl_status('doctor')
        expect_equal(status, DEGRADED)
        lines = out.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith('peers'))
        expect('problem' in lines[at] and 'n2' in lines[at] and 'gone' in lines[at], out)
        expect(lines[at + 1].strip().startswith('do: start it again'), out)


def another_patience_is_noted_on_both_sides():
    with Mesh() as mesh:
        first = mesh.node(gone_ms=5000).start()
        second = mesh.node(gone_ms=20000).start()
        mesh.wait_live()
        for node, other, own, its in (first, second, 5000, 20000), (second, first, 20000, 5000):
            found = until_told(node, 'gone-ms', 'note', f'after {its} ms', f'this one after {own} ms')
            expect_equal([row['about'] for row in found], [other.name])


def a_stopped_node_is_named():
    with Mesh() as mesh:
        nodes = mesh.start(2, gone_ms=20000)
        nodes[1].pause()
        found = until_told(nodes[0], 'peers', 'problem', 'nothing is heard')
        expect_equal([row['about'] for row in found], ['n2'])
        # The lease ends, too; on a busy machine this node may itself be away for a while, and then says that.
        until_told(nodes[0], 'node', 'problem', 'only miss')
        nodes[1].resume()


def a_refused_node_and_its_reason_are_told_on_both_sides():
    with Mesh() as mesh:
        first, = mesh.start(1, alone_ms=300)
        other = mesh.node(lease_ms=mesh.lease_ms * 2).start()
        other.wait_socket()
        until_told(other, 'node', 'problem', 'refused', 'lease length')
        until_told(first, 'refused', 'problem', 'n2', 'lease length')


def another_mesh_on_the_group_is_heard():
    with Mesh() as mesh:
        first, = mesh.start(1, alone_ms=300)
        mesh.node(mesh=mesh.name + '-other').start()
        until_told(first, 'foreign', 'problem', 'another mesh')


def another_key_and_none_are_told_on_both_sides():
    with Mesh() as mesh:
        keyed, = mesh.start_keyed(1, mesh.key(), alone_ms=300)
        other = mesh.keyed_node(mesh.key('other'), alone_ms=300).start().wait_socket()
        until_told(keyed, 'key', 'problem', 'no key of this one')
        until_told(other, 'key', 'problem', 'no key of this one')
        bare = mesh.node(alone_ms=300).start().wait_socket()
        until_told(bare, 'key', 'problem', 'this one has none')


def beacons_without_an_open_port_are_told():
    with Mesh() as mesh:
        first, = mesh.start(1, alone_ms=300)
        port = free_port()
        mesh.node(advertise=f'127.0.0.1:{port}').start()
        until_told(first, 'dial', 'problem', 'beacons are heard', f'127.0.0.1:{port}', 'refused')


def a_configured_peer_that_is_not_there_is_told():
    with Mesh() as mesh:
        port = free_port()
        first, = mesh.start(1, alone_ms=300, multicast='off', peer=[f'127.0.0.1:{port}', f'127.0.0.1:{free_port()}'])
        until_told(first, 'dial', 'problem', 'configured peer', f'127.0.0.1:{port}', 'refused')


def a_one_way_cut_is_told_in_its_direction():
    with Mesh() as mesh, contextlib.ExitStack() as stack:
        proxies = []
        for _ in range(2):
            port = free_port()
            proxies.append(stack.enter_context(Proxy(port)))
            mesh.node(listen=f'127.0.0.1:{port}', advertise=f'127.0.0.1:{proxies[-1].port}', gone_ms=20000).start()
        mesh.wait_live()
        mesh.wait_counted()
        first, second = mesh.nodes
        proxies[1].cut(uuid.UUID(first.status()['id']).bytes)
        until_told(first, 'links', 'problem', 'n1 hears n2, n2 does not hear n1')
        proxies[1].mend()
        until('all is well again', lambda: rows(second, 'links', 'ok') and rows(second, 'peers', 'ok'))


def an_identity_that_is_not_stored_is_told():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300, state_dir=os.path.join(mesh.directory, 'no', 'such', 'place'))
        until_told(node, 'storage', 'problem', 'cannot be stored')


def one_configured_peer_only_is_told():
    with Mesh() as mesh:
        first, = mesh.start(1, alone_ms=300, multicast='off')
        address = first.status()['listen']
        kept = mesh.node(multicast='off', peer=address).start().wait_socket()
        bare = mesh.node(multicast='off', peer=address, state_dir='none').start().wait_socket()
        until_told(kept, 'single', 'note', 'a node that is new starts alone')
        until_told(bare, 'single', 'problem', 'this node starts alone')


def too_few_descriptors_are_told():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        expect_equal(len(rows(node, 'limits', 'ok')), 1)
        hard = resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (100, hard))
        until_told(node, 'limits', 'problem', '100 open files')


def other_options_of_a_region_are_told():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[0].ask('region r bounded 0 1048576')['rc'], 0)
        expect_equal(apps[1].ask('region r ttl 1000 1048576')['rc'], 0)
        found = until_told(nodes[0], 'regions', 'problem', 'n2', 'ttl 1000 ms')
        expect_equal([row['about'] for row in found], ['r'])
        again = nodes[0].app(name='again')
        expect(again.ask('region r ttl 5 1048576')['rc'] < 0, 'refused')
        until_told(nodes[0], 'regions', 'problem', 'two apps')


run([a_sound_mesh_has_no_problem, the_table_has_the_advice_below_the_finding, another_patience_is_noted_on_both_sides, a_stopped_node_is_named,
     a_refused_node_and_its_reason_are_told_on_both_sides, another_mesh_on_the_group_is_heard,
         another_key_and_none_are_told_on_both_sides,
     beacons_without_an_open_port_are_told, a_configured_peer_that_is_not_there_is_told, a_one_way_cut_is_told_in_its_direction,
     an_identity_that_is_not_stored_is_told, one_configured_peer_only_is_told,
     too_few_descriptors_are_told, other_options_of_a_region_are_told])
