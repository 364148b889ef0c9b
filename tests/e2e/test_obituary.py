#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""meshd --obituary: what the others learn of a meshd that died, and what keeps anybody from saying it of one that lives."""
import os
import signal
import time

from mesh import DEADLINE_S, Mesh, expect, expect_equal, read_text, run, spawn, until

PATIENT = {'gone_ms': 60000}  # nobody is given up by himself here
IN_USE = 75


def start(mesh, n=2, **flags):
    """Nodes with an app each; the last one's has r/k and r/other."""
    nodes = mesh.start(n, **(flags or PATIENT))
    apps = [node.app(name=f'app-{node.name}').wait_mode('live') for node in nodes]
    for key in ('k', 'other'):
        expect_equal(apps[-1].ask(f'until r {key} stored 30000')['rc'], 0)
    expect_equal(apps[0].ask('get r k')['rc'], 1)
    mesh.publish_once(nodes[0], apps[0])
    return nodes, apps


def obituary_start(node):
    with open(node.log, 'ab') as log:
        return spawn(node.arguments() + ['--obituary'], stdout=log, stderr=log)


def obituary(node):
    """Exit status, and seconds that it took."""
    began = time.monotonic()
    process = obituary_start(node)
    try:
        return process.wait(DEADLINE_S), time.monotonic() - began
    finally:
        process.kill()
        process.wait()


def states_of(node, other):
    return [change['state'] for change in node.json('peer', other.name)['transitions']]


def others_neither_wait_nor_forget():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        until('the lease is over', lambda: apps[1].ask('get r k')['rc'] == 1)
        expect_equal(obituary(nodes[0])[0], 0)
        nodes[1].wait_peer(nodes[0], 'left')
        apps[1].wait_mode('live')
        for key in ('k', 'other'):
            expect_equal(apps[1].get(f'r {key}')['rc'], 0)
        answer = apps[1].ask('invalidate r k mesh')
        expect_equal((answer['rc'], answer['unconfirmed']), (0, 0))
        expect('gone' not in states_of(nodes[1], nodes[0]), 'given up')
        expect('event=obituary.told' in read_text(nodes[0].log), 'not told')


def it_tells_all_that_the_dead_one_knew():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[1].pause()
        # In the stream, and on its way to a node that reads nothing.
        expect_equal(apps[0].ask('invalidate r k node')['rc'], 0)
        nodes[0].kill()
        # And this one only in the spool.
        expect_equal(apps[0].ask('invalidate r spooled none')['rc'], 3)
        apps[0].process.kill()
        apps[0].process.wait()
        process = obituary_start(nodes[0])
        nodes[1].resume()
        expect_equal(process.wait(DEADLINE_S), 0)
        nodes[1].wait_peer(nodes[0], 'left')
        expect_equal(apps[1].wait_mode('live').get('r k')['reason'], 'invalidated')
        expect_equal(apps[1].get('r other')['rc'], 0)
        expect_equal(nodes[1].stats()['applied'], 3)
        expect_equal(os.listdir(nodes[0].socket + '.spool'), [])


def it_waits_until_no_app_can_be_served_by_the_dead_one():
    lease_ms = 1000
    with Mesh(lease_ms=lease_ms) as mesh:
        nodes, _ = start(mesh)
        nodes[0].kill()
        status, seconds = obituary(nodes[0])
        expect_equal(status, 0)
        expect(seconds >= lease_ms / 1000 * 1.001 + 0.008, f'said after {seconds} s')


def what_was_not_said_in_full_proves_nothing():
    # A lease in which a busy machine stops the obituary before it is said.
    with Mesh(lease_ms=3000) as mesh:
        nodes, apps = start(mesh, gone_ms=6000)
        nodes[0].kill()
        process = obituary_start(nodes[0])
        until('it has begun', lambda: 'event=obituary.begun' in read_text(nodes[0].log))
        process.send_signal(signal.SIGTERM)
        expect_equal(process.wait(DEADLINE_S), IN_USE)
        nodes[1].wait_peer(nodes[0], 'gone')
        apps[1].wait_mode('live')
        expect_equal(apps[1].ask('invalidate r k mesh')['members'], 'n1:unconfirmed')
        # The next one says it.
        expect_equal(obituary(nodes[0])[0], 0)
        nodes[1].wait_peer(nodes[0], 'left')
        until('it is proven', lambda: apps[1].ask('invalidate r k mesh')['rc'] == 0)


def of_a_living_one_nothing_is_said():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        for stopped in (False, True):
            if stopped:
                nodes[0].pause()
            expect_equal(obituary(nodes[0])[0], IN_USE)
            expect('left' not in states_of(nodes[1], nodes[0]), 'believed')
        nodes[0].resume()
        mesh.wait_live()
        expect_equal(apps[0].wait_mode('live').ask('invalidate r k mesh')['rc'], 0)
        expect_equal(apps[1].ask('get r k')['rc'], 1)


def without_its_stream_nobody_speaks_for_it():
    with Mesh() as mesh:
        nodes, _ = start(mesh)
        nodes[0].kill()
        os.remove(nodes[0].socket + '.stream')
        expect_equal(obituary(nodes[0])[0], 1)
        expect('no stream of this node was found' in read_text(nodes[0].log), 'not told')
        expect(nodes[1].peer_state(nodes[0]) != 'left', 'believed')


def of_one_that_ended_in_order_there_is_nothing_to_say():
    with Mesh(lease_ms=1000) as mesh:
        nodes, apps = start(mesh)
        nodes[0].stop()
        status, _ = obituary(nodes[0])
        expect_equal(status, 0)
        expect('event=obituary.needless' in read_text(nodes[0].log), 'not told')
        nodes[0].start()
        mesh.wait_live()
        expect_equal(apps[1].wait_mode('live').get('r other')['rc'], 0)


def the_node_comes_back_as_after_an_end_in_order():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        stream = nodes[0].status()['stream']
        expect_equal(apps[0].ask('invalidate r k mesh')['rc'], 0)
        nodes[0].kill()
        expect_equal(obituary(nodes[0])[0], 0)
        nodes[0].start()
        mesh.wait_live()
        expect_equal(nodes[0].status()['stream'], stream)
        expect_equal(apps[1].wait_mode('live').get('r other')['rc'], 0)
        expect_equal(apps[0].wait_mode('live').ask('invalidate r other mesh')['rc'], 0)
        expect_equal(apps[1].ask('get r other')['rc'], 1)


def nodes_that_are_not_reached_are_counted():
    with Mesh() as mesh:
        nodes, _ = start(mesh, 3)
        for node in nodes:
            node.flags['gone-ms'] = 2 * mesh.lease_ms
        until('both are on disk', lambda: read_text(os.path.join(nodes[0].flags['state-dir'], 'peers')).count('127.0.0.1') == 2)
        nodes[2].kill()
        nodes[0].kill()
        expect_equal(obituary(nodes[0])[0], IN_USE)
        nodes[1].wait_peer(nodes[0], 'left')
        expect('told=1 untold=1' in read_text(nodes[0].log), 'miscounted')


def a_new_identity_has_nobody_to_speak_for():
    with Mesh() as mesh:
        nodes, _ = start(mesh)
        nodes[0].kill()
        nodes[0].flags['new-identity'] = True
        expect_equal(obituary(nodes[0])[0], 78)
        del nodes[0].flags['new-identity']
        expect_equal(obituary(nodes[0])[0], 0)
        nodes[1].wait_peer(nodes[0], 'left')


if __name__ == '__main__':
    run([others_neither_wait_nor_forget,
         it_tells_all_that_the_dead_one_knew,
         it_waits_until_no_app_can_be_served_by_the_dead_one,
         what_was_not_said_in_full_proves_nothing,
         of_a_living_one_nothing_is_said,
         without_its_stream_nobody_speaks_for_it,
         of_one_that_ended_in_order_there_is_nothing_to_say,
         the_node_comes_back_as_after_an_end_in_order,
         nodes_that_are_not_reached_are_counted,
         a_new_identity_has_nobody_to_speak_for])
