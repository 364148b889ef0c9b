#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What meshd, meshctl and the library say to what they cannot use: what, on what, why; at once, and with the right status."""
import errno
import os
import socket
import subprocess
import time

from disk import fill, small_disk
from mesh import DEADLINE_S, Mesh, Skip, expect, expect_equal, free_port, read_text, run, until

FAILED, USAGE, UNREACHABLE, IN_USE, CONFIG = 1, 64, 69, 75, 78
NOBODY = 65534
SMALL_DISK = 256 * 1024


def expect_refusal(node, status, *words, **keywords):
    """It ends by itself with this status, and each of the words is in what it says."""
    node.start(**keywords)
    until(f'{node.name} has ended', lambda: not node.is_running())
    text = read_text(node.log)
    expect_equal((node.process.returncode, text), (status, text))
    for word in words:
        expect(str(word) in text, f'no {word!r} in: {text}')
    expect(text.startswith('meshd: ') or 'level=' in text, text)


def need_root():
    if os.geteuid() != 0:
        raise Skip('only root can give a directory to another user')


def a_socket_path_that_is_too_long_is_a_mistake_in_the_configuration():
    with Mesh() as mesh:
        path = os.path.join(mesh.directory, 'x' * 120)
        expect_refusal(mesh.node(socket=path), CONFIG, '--socket', '107')
        expect_equal(mesh.app(mesh.node(), name='a').opened['rc'], 0)
        node = mesh.node()
        node.socket = path
        app = mesh.app(node, name='b')
        expect_equal(app.opened['rc'], -errno.ENAMETOOLONG)
        expect_equal(node.meshctl_status('status')[0] in (USAGE, CONFIG), True)


def a_socket_in_a_directory_that_is_not_there_is_refused():
    with Mesh() as mesh:
        expect_refusal(mesh.node(socket=os.path.join(mesh.directory, 'none', 's')), CONFIG, 'none/s', 'No such file')


def a_socket_that_may_not_be_opened_is_named_by_all_three_programs():
    need_root()
    with Mesh() as mesh:
        for program in ('meshctl', 'meshd'):
            if subprocess.run(['test', '-x', mesh.program(program)], user=NOBODY, check=False).returncode != 0:
                raise Skip('other users cannot reach the build directory')
        node, = mesh.start(1)
        os.chmod(mesh.directory, 0o711)
        os.chmod(node.directory, 0o711)
        os.chmod(node.socket, 0o600)
        done = subprocess.run([mesh.program('meshctl'), '--socket', node.socket, 'status'], user=NOBODY, text=True,
                              capture_output=True, timeout=DEADLINE_S, check=False)
        expect(done.returncode in (UNREACHABLE, 77) and node.socket in done.stderr and 'ermission' in done.stderr, str(done))
        other = mesh.node(socket=os.path.join(node.directory, 't'), state_dir='none')
        with open(other.log, 'w', encoding='utf-8'):
            os.chmod(other.log, 0o666)
        expect_refusal(other, CONFIG, 'ermission', '/t', user=NOBODY)


def something_else_at_the_sockets_path_is_not_removed():
    with Mesh() as mesh:
        node = mesh.node()
        with open(node.socket, 'w', encoding='utf-8') as f:
            f.write('precious')
        expect_refusal(node, CONFIG, node.socket)
        expect_equal(read_text(node.socket), 'precious')


def a_socket_in_use_is_refused_and_goes_on_working():
    with Mesh() as mesh:
        node, = mesh.start(1)
        expect_refusal(mesh.node(socket=node.socket, state_dir='none', runtime_dir=mesh.directory), IN_USE, node.socket)
        expect_equal(node.meshctl_status('version')[0], 0)


def a_state_directory_in_use_is_refused():
    with Mesh() as mesh:
        node, = mesh.start(1)
        expect_refusal(mesh.node(state_dir=node.flags['state-dir']), IN_USE, node.flags['state-dir'])
        expect_equal(node.meshctl_status('version')[0], 0)


def a_state_directory_of_another_user_is_refused():
    need_root()
    with Mesh() as mesh:
        path = os.path.join(mesh.directory, 'foreign')
        os.mkdir(path, 0o700)
        os.chown(path, NOBODY, NOBODY)
        expect_refusal(mesh.node(state_dir=path), CONFIG, path)


def directories_that_others_may_write_to_are_refused():
    with Mesh() as mesh:
        for option in ('state_dir', 'socket'):
            path = os.path.join(mesh.directory, 'open-' + option)
            os.mkdir(path)
            os.chmod(path, 0o777)
            value = path if option == 'state_dir' else os.path.join(path, 'sock')
            expect_refusal(mesh.node(**{option: value}), CONFIG, 'chmod go-w ' + path)


def a_state_directory_of_a_newer_version_is_refused():
    with Mesh() as mesh:
        node, = mesh.start(1)
        node.stop()
        with open(os.path.join(node.flags['state-dir'], 'format'), 'w', encoding='utf-8') as f:
            f.write('999\n')
        os.truncate(node.log, 0)
        expect_refusal(node, CONFIG, node.flags['state-dir'])


def a_damaged_incarnation_is_told_and_others_raise_it():
    with Mesh() as mesh:
        first, _ = mesh.start(2)
        ahead = int(time.time() * 1000) + 3600000

        def start_with(content):
            first.stop()
            with open(os.path.join(first.flags['state-dir'], 'incarnation'), 'w', encoding='utf-8') as f:
                f.write(content)
            os.truncate(first.log, 0)
            first.start()
            mesh.wait_live()
            expect(first.status()['incarnation'] > ahead, f'{first.status()["incarnation"]} after {ahead}')
            return read_text(first.log)
        # As if the clock had been an hour ahead when the other one met it.
        expect('event=state.damaged' not in start_with(f'{ahead}\n'), 'told of a sound file')
        log = start_with('\x00\x17rubbish')
        expect('event=state.damaged' in log and 'event=state.incarnation' in log, log)
        status, out, _ = first.meshctl_status('doctor')
        expect_equal(status, 2)
        expect('its file incarnation was damaged: it holds no number' in out, out)


def a_full_disk_does_not_stop_a_node_but_it_says_so():
    with Mesh() as mesh, small_disk(mesh.directory, SMALL_DISK) as disk:
        fill(disk)
        first = mesh.node(state_dir=os.path.join(disk, 'state'), runtime_dir=disk).start()
        second = mesh.node().start()
        mesh.wait_live()
        text = read_text(first.log)
        expect('event=state.unstored' in text and 'No space left' in text, text)
        expect('event=stream.volatile' in text, text)
        expect_equal(first.status()['is_temporary'], True)
        app, other = first.app().wait_mode('live'), second.app().wait_mode('live')
        expect_equal(other.ask('until r k stored 30000')['rc'], 0)
        expect_equal(app.ask('invalidate r k mesh')['rc'], 0)
        expect_equal(other.get('r k')['reason'], 'invalidated')
        first.stop()


def a_port_that_another_program_has_is_refused_with_its_pid():
    with Mesh() as mesh, socket.create_server(('127.0.0.1', 0)) as s:
        expect_refusal(mesh.node(listen=f'127.0.0.1:{s.getsockname()[1]}'), FAILED, os.getpid(), 'in use')


def other_addresses_than_this_hosts_need_a_key():
    with Mesh() as mesh:
        for address in ('0.0.0.0', '192.0.2.1', '[::]'):
            expect_refusal(mesh.node(listen=f'{address}:{free_port()}'), CONFIG, address, 'mesh key')
        expect_refusal(mesh.node(advertise='192.0.2.1:6781'), CONFIG, '192.0.2.1', 'mesh key')
        expect_refusal(mesh.node(peer='192.0.2.1:6781'), CONFIG, '192.0.2.1', 'mesh key')


def a_misspelt_option_is_refused_with_the_nearest_one():
    with Mesh() as mesh:
        expect_refusal(mesh.node(lease_mss=100), USAGE, '--lease-mss', '--lease-ms')


def the_name_of_a_live_node_is_refused_with_the_reason():
    with Mesh() as mesh:
        first, second = mesh.start(2)
        clone = mesh.node('clone')
        clone.flags['name'] = first.name
        clone.start()
        until('it says why', lambda: first.name in clone.wait_socket().status()['reason'])
        expect_equal(clone.status()['state'], 'joining')
        mesh.wait_full_mesh([first, second])
        mesh.wait_live([first, second])
        app = clone.app()
        app.ask('load r k x')
        expect_equal(app.ask('get r k')['rc'], 1)
        clone.stop()


def another_lease_length_is_refused_with_the_reason():
    with Mesh() as mesh:
        first, second = mesh.start(2)
        other = mesh.node(lease_ms=300).start()
        until('it says why', lambda: 'lease' in other.wait_socket().status()['reason'])
        expect_equal(other.status()['state'], 'joining')
        mesh.wait_full_mesh([first, second])
        other.stop()


def meshes_of_other_names_on_the_same_group_ignore_each_other():
    with Mesh() as mesh, Mesh() as other:
        other.port = mesh.port
        nodes, others = mesh.start(2), other.start(2)
        until('they hear each other', lambda: nodes[0].stats()['discovery_beacon_foreign_mesh'] > 0)
        for own, foreign in ((nodes, others), (others, nodes)):
            expect_equal([node.status()['peers'] for node in own], [1, 1])
            ids = {row['id'] for row in own[0].json('peers')['peers']}
            expect_equal(ids & {node.status()['id'] for node in foreign}, set())


def a_peer_of_another_mesh_is_not_joined():
    with Mesh() as mesh, Mesh() as other:
        node, = mesh.start(1)
        stray = other.node(peer=node.status()['listen'], alone_ms=300).start()
        until('its frames are counted', lambda: node.stats()['dropped_mesh'] > 0)
        expect_equal((node.status()['peers'], stray.status()['peers_live']), (0, 0))


def keys_and_values_beyond_the_limits_are_refused_and_change_nothing():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        app = node.app().wait_mode('live')
        expect_equal(app.ask('region r bounded 0 65536')['rc'], 0)
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        for key in ('@0', '@1025'):
            for command in (f'get r {key}', f'load r {key} x', f'invalidate r {key} mesh'):
                expect_equal((command, app.ask(command)['rc']), (command, -errno.EINVAL))
            # Nothing of it reached meshd.
        expect_equal(node.status()['position'], 0)
        expect_equal(app.ask('load r @1024 x')['rc'], 0)
        expect_equal(app.get('r @1024')['rc'], 0)
        expect_equal(app.ask('invalidate r @1024 mesh')['rc'], 0)
        expect_equal(app.ask('get r @1024')['rc'], 1)
        expect_equal(app.ask('load r big @8193')['rc'], -errno.E2BIG)
        expect_equal(app.ask('load r big @70000')['rc'], -errno.E2BIG)
        expect_equal(app.ask('get r big')['reason'], 'absent')
        expect_equal(app.get('r k')['rc'], 0)
        for key in ('', 'k' * 1025):
            expect_equal(node.meshctl_status('invalidate', '--region', 'r', key)[0], USAGE)
        expect_equal(node.status()['position'], 1)


if __name__ == '__main__':
    run([a_socket_path_that_is_too_long_is_a_mistake_in_the_configuration,
         a_socket_in_a_directory_that_is_not_there_is_refused,
         a_socket_that_may_not_be_opened_is_named_by_all_three_programs,
         something_else_at_the_sockets_path_is_not_removed,
         a_socket_in_use_is_refused_and_goes_on_working,
         a_state_directory_in_use_is_refused,
         a_state_directory_of_another_user_is_refused,
         directories_that_others_may_write_to_are_refused,
         a_state_directory_of_a_newer_version_is_refused,
         a_damaged_incarnation_is_told_and_others_raise_it,
         a_full_disk_does_not_stop_a_node_but_it_says_so,
         a_port_that_another_program_has_is_refused_with_its_pid,
         other_addresses_than_this_hosts_need_a_key,
         a_misspelt_option_is_refused_with_the_nearest_one,
         the_name_of_a_live_node_is_refused_with_the_reason,
         another_lease_length_is_refused_with_the_reason,
         meshes_of_other_names_on_the_same_group_ignore_each_other,
         a_peer_of_another_mesh_is_not_joined,
         keys_and_values_beyond_the_limits_are_refused_and_change_nothing])
