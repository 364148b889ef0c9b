#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nodes that lost something, came back as somebody else, know only each other's address, or stop while others cannot listen."""
import os
import shutil
import signal

from mesh import Mesh, expect, expect_equal, read_text, run, until

LEASE_MS = 1000
STOP_S = 1 + 9  # a second to flush, and what a busy machine adds
NEVER_GONE = {'gone_ms': 60000}


def eight_nodes_started_at_once_are_a_full_mesh():
    with Mesh() as mesh:
        mesh.start(8)
        mesh.wait_full_mesh()


def without_multicast_one_address_is_enough_for_all():
    with Mesh() as mesh:
        first = mesh.node(multicast='off').start().wait_socket()
        for _ in range(3):
            mesh.node(multicast='off', peer=first.status()['listen']).start()
        mesh.wait_live()
        mesh.wait_full_mesh()
        expect_equal({node.stats()['discovery_received'] for node in mesh.nodes}, {0})


def ipv6_serves_as_well():
    with Mesh() as mesh:
        mesh.start(2, listen='[::1]:0')
        mesh.wait_full_mesh()
        expect(all(node.status()['listen'].startswith('[::1]:') for node in mesh.nodes), 'not on IPv6')


def a_node_finds_its_peers_on_disk_again_without_multicast():
    with Mesh() as mesh:
        nodes = mesh.start(3)
        for node in nodes:
            node.flags['listen'] = node.status()['listen']
        until('they are on disk', lambda: all(os.path.exists(os.path.join(n.flags['state-dir'], 'peers')) for n in nodes))
        nodes[0].stop()
        nodes[0].flags['multicast'] = 'off'
        nodes[0].start()
        mesh.wait_live()
        mesh.wait_full_mesh()


def a_node_whose_remembered_peers_are_all_gone_is_live_when_it_has_given_them_up():
    with Mesh() as mesh:
        first, second = mesh.start(2)
        second.kill()
        first.kill()
        first.start()
        app = first.app()
        # Alone after 12 s in which it ran all the time: on a busy machine they begin anew now and then.
        first.meshctl('wait', '--for=live', timeout_s=90)
        expect_equal(app.wait_mode('live').ask('until r k stored 30000')['rc'], 0)
        # Nothing proves that the other one is dead.
        expect_equal(app.ask('invalidate r k mesh')['rc'] in (0, 4), True)
        second.start()
        mesh.wait_live()
        mesh.wait_full_mesh()


def a_lost_stream_file_makes_the_others_forget():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[0].ask('publish r other 0 10 mesh')['ok'], 10)
        expect_equal(apps[1].ask('until r k stored 30000')['rc'], 0)
        stream = nodes[0].status()['stream']
        nodes[0].kill()
        os.remove(os.path.join(nodes[0].directory, 's.stream'))
        nodes[0].start()
        mesh.wait_live()
        expect(nodes[0].status()['stream'] != stream, 'the same stream')
        # Something may have been published and lost with the file.
        expect_equal(apps[1].wait_mode('live').get('r k')['reason'], 'forgotten')
        expect_equal(apps[1].ask('until r k stored 30000')['rc'], 0)
        expect_equal(apps[0].wait_mode('live').ask('invalidate r k mesh')['rc'], 0)
        expect_equal(apps[1].get('r k')['reason'], 'invalidated')


def a_damaged_stream_file_is_replaced():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[0].ask('publish r other 0 10 mesh')['ok'], 10)
        nodes[0].kill()
        with open(os.path.join(nodes[0].directory, 's.stream'), 'r+b') as f:
            f.write(b'\xff' * 65536)
        nodes[0].start()
        mesh.wait_live()
        expect_equal(apps[1].wait_mode('live').ask('until r k stored 30000')['rc'], 0)
        expect_equal(apps[0].wait_mode('live').ask('invalidate r k mesh')['rc'], 0)
        expect_equal(apps[1].ask('get r k')['rc'], 1)


def what_is_lost_with_a_stream_file_is_told():
    """Nothing at a first start, nor after a kill."""
    def restart(node, path, offset, data):
        node.stop()
        with open(path, 'r+b') as f:
            if offset is None:
                f.truncate(len(data))
            f.seek(offset or 0)
            f.write(data)
        before = len(read_text(node.log))
        node.start().wait_socket()
        return [line for line in read_text(node.log)[before:].splitlines() if 'event=stream.lost' in line]

    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        node.kill()
        node.start()
        mesh.wait_live()
        path = os.path.join(node.directory, 's.stream')
        expect('stream.lost' not in read_text(node.log), 'told without a cause')
        for offset, data, words in ((0, b'\xff' * 64, 'it is damaged'), (None, b'\xff' * 300, 'another length'),
                                    (node.flags['log-bytes'], b'\xff' * 64, 'write intents')):
            lines = restart(node, path, offset, data)
            expect_equal(len(lines), 1)
            expect(all(word in lines[0] for word in ('level=warning', path, words)), lines)
        expect_equal(restart(node, path, 0, b''), [])
        for data, n_bytes in ((b'', 0), (b'\0', os.path.getsize(path))):
            lines = restart(node, path, None, data * n_bytes)
            expect_equal(len(lines), 1)
            expect('it is empty' in lines[0], lines)
        expect_equal(restart(node, path, 0, b''), [])
        node.kill()
        os.unlink(path)
        node.start().wait_socket()
        expect_equal(read_text(node.log).count('it is gone'), 1)


def a_lost_state_directory_makes_a_new_node_that_the_mesh_takes_in():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        old = nodes[1].status()['id']
        nodes[1].kill()
        nodes[0].wait_peer(nodes[1], 'gone')
        shutil.rmtree(nodes[1].flags['state-dir'])
        nodes[1].start()
        until('it is live', lambda: any(row['id'] != old and row['name'] == nodes[1].name and row['state'] == 'live'
                                        for row in nodes[0].json('peers')['peers']))
        expect(nodes[1].status()['id'] != old, 'the same id')
        expect_equal(apps[1].wait_mode('live').ask('until r k stored 30000')['rc'], 0)
        # The old one is gone and may be alive somewhere, until somebody says that it is not.
        expect_equal(apps[0].ask('invalidate r k mesh')['rc'], 4)
        nodes[0].meshctl('forget', old)
        expect_equal(apps[1].ask('until r k stored 30000')['rc'], 0)
        until('nothing is unconfirmed', lambda: apps[0].ask('invalidate r k mesh')['rc'] == 0)
        expect_equal(apps[1].ask('get r k')['rc'], 1)


def of_two_nodes_of_one_name_the_right_one_is_meant():
    with Mesh() as mesh:
        here, there = mesh.start(2)
        path = os.path.join(there.flags['state-dir'], 'node_id')
        for digits in ('00000000', 'ffffffff'):
            old = read_text(path).strip()
            there.kill()
            here.wait_peer(there, 'gone')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(digits + old[8:] + '\n')
            there.start()
            until('it is live', lambda one=digits: any(row['id'].startswith(one) and row['state'] == 'live'
                                                       for row in here.json('peers')['peers']))
            expect_equal(len(here.json('peers')['peers']), 3)
            expect_equal(here.json('peer', there.name)['state'], 'live')
            expect_equal(here.json('ping', there.name)['peers'][0]['error'], '')
            expect_equal(here.json('peer', old)['state'], 'gone')
            expect_equal(here.json('forget', there.name)['id'], old)
            expect('is live' in here.meshctl_status('forget', there.name)[2], 'a live one was forgotten')


def a_copied_state_directory_is_noticed_and_new_identity_helps():
    with Mesh() as mesh:
        nodes = mesh.start(2)
        nodes[1].stop()
        clone = mesh.node()
        shutil.copytree(nodes[1].flags['state-dir'], clone.flags['state-dir'])
        nodes[1].start()
        mesh.wait_live(nodes)
        clone.start()
        until('it says why', lambda: 'new-identity' in clone.wait_socket().status()['reason'])
        expect_equal(clone.status()['state'], 'joining')
        mesh.wait_full_mesh(nodes)
        clone.stop()
        clone.flags['new-identity'] = True
        clone.start()
        mesh.wait_live()
        expect_equal(len({node.status()['id'] for node in mesh.nodes}), 3)
        mesh.wait_full_mesh()


def stopping_beside_a_stopped_peer_takes_no_longer_than_the_flush():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2, NEVER_GONE)
        nodes[1].pause()
        expect_equal(apps[0].ask('publish r k 0 100 none')['ok'], 100)
        took = nodes[0].stop()
        print(f'# {took:.3f} s')
        expect(took < STOP_S, f'{took} s')
        nodes[1].resume()
        nodes[0].start()
        mesh.wait_live()
        mesh.wait_caught_up()


def a_signal_at_any_moment_of_the_start_ends_it_in_order():
    with Mesh() as mesh:
        node = mesh.node()
        for number in range(20):
            node.start()
            # From before the first system call to after the socket is there.
            until('the moment has come', lambda one=number: os.path.exists(node.socket) or one % 5 != 0)
            node.process.send_signal(signal.SIGINT if number % 2 else signal.SIGTERM)
            status = node.process.wait(STOP_S)
            expect(status in (0, -signal.SIGTERM, -signal.SIGINT), f'exit status {status}')
            expect(status != 0 or not os.path.exists(node.socket), 'the socket is left')
        node.start().wait_socket()


def an_app_that_is_killed_is_forgotten_and_its_changes_are_not():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[1].ask('fill r k 0 100')['stored'], 100)
        expect_equal(apps[0].ask('publish r k 0 100 node')['ok'], 100)
        apps[0].process.kill()
        until('its connection is gone', lambda: [row['name'] for row in nodes[0].json('clients')['clients']
                                                 if row['name'] != 'meshctl'] == [])
        mesh.wait_caught_up()
        expect_equal(apps[1].ask('scan r k 0 100')['hits'], 0)


if __name__ == '__main__':
    run([eight_nodes_started_at_once_are_a_full_mesh,
         without_multicast_one_address_is_enough_for_all,
         ipv6_serves_as_well,
         a_node_finds_its_peers_on_disk_again_without_multicast,
         a_node_whose_remembered_peers_are_all_gone_is_live_when_it_has_given_them_up,
         a_lost_stream_file_makes_the_others_forget,
         a_damaged_stream_file_is_replaced,
         what_is_lost_with_a_stream_file_is_told,
         a_lost_state_directory_makes_a_new_node_that_the_mesh_takes_in,
         of_two_nodes_of_one_name_the_right_one_is_meant,
         a_copied_state_directory_is_noticed_and_new_identity_helps,
         stopping_beside_a_stopped_peer_takes_no_longer_than_the_flush,
         a_signal_at_any_moment_of_the_start_ends_it_in_order,
         an_app_that_is_killed_is_forgotten_and_its_changes_are_not])
