#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mesh keys on real nodes: who is let in, and how a key is exchanged while the mesh works."""
import os
import resource
import shutil
import signal
import socket
import threading
import time

from mesh import DEADLINE_S, SHORT_LEASE_MS, Mesh, Skip, expect, expect_equal, read_text, run, sanitizers, spawn, until

LEASE_MS = 3000  # so that a busy machine alone costs no lease
N_NODES = 5
CUT_S = 5  # a lease, and what a busy machine adds
HITS_EACH = 20
ROUNDS_BETWEEN = 5
EXIT_INCOMPLETE = 75
EXIT_REFUSED = 77
EXIT_CONFIG = 78


def keys_of(node):
    return {row['key']: row['is_used'] for row in node.json('key', 'list')['keys']}


def used_key(node):
    return next(key for key, is_used in keys_of(node).items() if is_used)


class Load:
    """Every app publishes, waits and reads all the time; what is no hit though it should be is counted by its reason."""

    def __init__(self, apps):
        self.apps = apps
        self.is_over = False
        self.n_rounds = [0] * len(apps)
        self.reasons = {}
        self.failures = []
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(len(apps))]

    def work(self, number):
        app = self.apps[number]
        try:
            while not self.is_over:
                expect_equal(app.ask(f'until r{number} k stored 30000')['rc'], 0)
                for _ in range(HITS_EACH):
                    answer = app.ask(f'get r{number} k')
                    if answer['rc'] != 0:
                        reason = answer.get('reason', answer['rc'])
                        self.reasons[reason] = self.reasons.get(reason, 0) + 1
                answer = app.ask(f'invalidate r{number} k mesh')
                if answer['rc'] != 0:
                    self.failures.append(f'{app.name}: {answer}')
                self.n_rounds[number] += 1
        except AssertionError as e:
            self.failures.append(f'{app.name}: {e}')

    def wait_rounds(self, n):
        before = list(self.n_rounds)
        until('all apps go on', lambda: self.failures or all(now >= then + n for now, then in zip(self.n_rounds, before)))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def rotate(mesh, nodes, between, *flags):
    """Install, use (with these flags), remove on all; returns the new key's fingerprint."""
    old = used_key(nodes[0])
    path = mesh.key(f'key-{mesh.serial()}')
    for node in nodes:
        node.meshctl('key', 'install', path)
        between()
    new = next(key for key in keys_of(nodes[0]) if key != old)
    for step in (('use', new, *flags), ('remove', old)):
        for node in nodes:
            node.meshctl('key', *step)
            between()
    for node in nodes:
        expect_equal(keys_of(node), {new: True})
    return new


def expect_rotation_without_a_lapse(n_rotations, rounds_between):
    with Mesh(lease_ms=LEASE_MS) as mesh:
        nodes = mesh.start_keyed(N_NODES, mesh.key())
        apps = [node.app(name=f'app-{node.name}').wait_mode('live') for node in nodes]
        before = [node.stats() for node in nodes]
        began = time.monotonic()
        with Load(apps) as load:
            load.wait_rounds(1)
            for _ in range(n_rotations):
                rotate(mesh, nodes, lambda: load.wait_rounds(rounds_between))
            # A question that was under way when its link changed is lost, not repeated.
            for node in nodes:
                node.meshctl('links', '--check', '--wait')
            load.wait_rounds(ROUNDS_BETWEEN)
        after = [node.stats() for node in nodes]
        rekeyed = sum(stats['mesh_rekeyed'] for stats in after)
        print(f'# {N_NODES} nodes, {n_rotations} rotations in {time.monotonic() - began:.1f} s under '
              f'{sum(load.n_rounds)} invalidations that were waited for; links renewed: {rekeyed}; '
              f'misses: {load.reasons}; failures: {load.failures}')
        for node, now, was in zip(nodes, after, before):
            for name in ('away', 'lapses', 'forgot'):
                expect_equal((node.name, name, now[name] - was[name]), (node.name, name, 0))
        expect_equal(load.failures, [])
        # Stored, but not invalidated by anybody: each get is a hit.
        expect_equal(load.reasons, {})
        expect(rekeyed >= N_NODES * (N_NODES - 1), 'not every link was renewed')


def rotations_of_five_nodes_under_load_cost_no_lease():
    expect_rotation_without_a_lapse(3, 0)


def a_slow_rotation_costs_none_either():
    expect_rotation_without_a_lapse(1, ROUNDS_BETWEEN)


def a_slow_disk_holds_up_nothing_but_the_change_itself():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        nodes = [mesh.keyed_node(mesh.key() if number == 0 else mesh.nodes[0].flags['key']) for number in range(2)]
        slow = nodes[0]
        program = slow.arguments()
        slow.arguments = lambda: [mesh.program('meshd-slow-disk'), *program[1:]]
        for node in nodes:
            node.start()
        slow.wait_socket()
        mesh.wait_live()
        app = slow.app(name='app').wait_mode('live')
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        away = slow.stats()['away']
        before = keys_of(slow)
        install = slow.meshctl_start('key', 'install', mesh.key('second'))
        until('it is being written', lambda: os.path.exists(slow.flags['key'] + '.new') or install.poll() is not None)
        expect(install.poll() is None, 'it was no slow disk')
        expect_equal(keys_of(slow), before)
        status, _, error = slow.meshctl_status('key', 'use', used_key(slow))
        expect_equal((status, install.poll()), (1, None))
        expect('another change of the keys' in error, error)
        expect_equal(app.get('r k')['rc'], 0)
        install.communicate(timeout=DEADLINE_S)
        expect_equal(install.returncode, 0)
        expect_equal(len(keys_of(slow)), 2)
        # Who asked is gone: it is done all the same.
        gone = slow.meshctl_start('key', 'remove', next(key for key in keys_of(slow) if key not in before))
        until('it is being written', lambda: os.path.exists(slow.flags['key'] + '.new'))
        gone.kill()
        gone.communicate()
        until('it is removed', lambda: keys_of(slow) == before)
        expect_equal((slow.stats()['away'], app.get('r k')['rc']), (away, 0))
        install = slow.meshctl_start('key', 'install', mesh.key('third'))
        until('it is being written', lambda: os.path.exists(slow.flags['key'] + '.new'))
        slow.stop()
        install.communicate(timeout=DEADLINE_S)


def a_change_that_the_disk_does_not_confirm_counts_and_is_told():
    with Mesh() as mesh:
        node = mesh.keyed_node(mesh.key())
        program = node.arguments()
        node.arguments = lambda: [mesh.program('meshd-slow-disk'), *program[1:]]
        node.start().wait_socket()
        before = keys_of(node)
        node.meshctl('key', 'install', mesh.key('second'))
        other, = (key for key in keys_of(node) if key not in before)
        with open(os.path.join(node.directory, 'no-sync'), 'w', encoding='ascii'):
            pass
        status, _, error = node.meshctl_status('key', 'remove', other)
        expect_equal(status, 1)
        expect('changed, but the disk does not confirm it' in error, error)
        expect_equal(keys_of(node), before)
        expect('event=key.unsynced' in read_text(node.log), 'not told')
        os.unlink(os.path.join(node.directory, 'no-sync'))
        node.stop()
        node.start().wait_socket()
        expect_equal(keys_of(node), before)


def a_node_that_keeps_the_old_key_is_cut_by_its_removal():
    with Mesh(SHORT_LEASE_MS) as mesh:
        nodes = mesh.start_keyed(3, mesh.key())
        rotate(mesh, nodes[:2], lambda: None, '--force')
        began = time.monotonic()
        frames = [node.peer(nodes[2])['frames_received'] for node in nodes[:2]]
        for node in nodes[:2]:
            until(f'{node.name} has lost it', lambda one=node: one.peer_state(nodes[2]) in ('silent', 'gone'))
        print(f'# silent after {time.monotonic() - began:.2f} s')
        expect(time.monotonic() - began <= CUT_S, 'not in time')
        for node in nodes[:2]:
            node.wait_peer(nodes[2], 'gone')
        expect_equal([node.peer(nodes[2])['frames_received'] for node in nodes[:2]], frames)
        expect_equal(nodes[0].peer_state(nodes[1]), 'live')


def a_node_with_another_key_or_none_stays_outside():
    with Mesh() as mesh:
        nodes = mesh.start_keyed(2, mesh.key())
        listen = nodes[0].status()['listen']
        before = nodes[0].stats()
        outside = [mesh.keyed_node(mesh.key('other'), peer=listen).start(), mesh.node(peer=listen).start()]
        for node in outside:
            node.wait_socket()

        def rejected():
            return nodes[0].stats()['mesh_rejected'] - before['mesh_rejected']
        until('both were refused again and again', lambda: rejected() >= 4)
        until('beacons of both were ignored', lambda: nodes[0].stats()['discovery_beacon_bad_seal'] >= 2)
        until('they ignore the mesh, too', lambda: all(n.stats()['discovery_beacon_bad_seal'] >= 1 for n in outside))
        after = nodes[0].stats()
        for name in ('dropped_malformed', 'dropped_mesh', 'dropped_unknown_source', 'mesh_malformed', 'lapses'):
            expect_equal((name, after[name] - before[name]), (name, 0))
        expect_equal(after['mesh_handshaken'], before['mesh_handshaken'])
        expect_equal(len(nodes[0].json('peers')['peers']), 2)
        for node in outside:
            expect_equal(len(node.json('peers')['peers']), 1)


def what_was_changed_is_in_the_key_file_after_a_crash():
    with Mesh() as mesh:
        nodes = mesh.start_keyed(2, mesh.key())
        new = rotate(mesh, nodes, lambda: None)
        nodes[0].kill()
        nodes[0].start().wait_socket()
        expect_equal(keys_of(nodes[0]), {new: True})
        mesh.wait_live(nodes)


def a_ring_of_two_keys_starts_whatever_the_others_use():
    with Mesh() as mesh:
        nodes = mesh.start_keyed(3, mesh.key())
        second = mesh.key('second')
        for node in nodes:
            node.meshctl('key', 'install', second)
        new = next(key for key, is_used in keys_of(nodes[0]).items() if not is_used)
        nodes[1].meshctl('key', 'use', new)
        nodes[0].stop()
        nodes[0].start().wait_socket()
        mesh.wait_live(nodes)
        for node in nodes:
            node.meshctl('links', '--check', '--wait')


def a_key_that_others_do_not_hold_is_used_only_by_force():
    with Mesh() as mesh:
        nodes = mesh.start_keyed(3, mesh.key())
        second = mesh.key('second')
        nodes[0].meshctl('key', 'install', second)
        new, = (key for key, is_used in keys_of(nodes[0]).items() if not is_used)
        before = keys_of(nodes[0])
        status, out, error = nodes[0].meshctl_status('key', 'use', new)
        expect_equal((status, out), (1, ''))
        expect(all(node.name in error for node in nodes[1:]) and 'do not hold this key' in error, error)
        nodes[1].meshctl('key', 'install', second)
        status, _, error = nodes[0].meshctl_status('key', 'use', new[:4])
        expect_equal(status, 1)
        expect(f'{nodes[2].name} does not hold this key' in error and nodes[1].name not in error, error)
        expect_equal(keys_of(nodes[0]), before)
        # One that is live and says nothing may not hold it either; one that is gone is not asked.
        nodes[2].meshctl('key', 'install', second)
        nodes[2].pause()
        status, _, error = nodes[0].meshctl_status('--timeout', '1500ms', 'key', 'use', new)
        expect_equal(status, EXIT_INCOMPLETE)
        expect(f'no answer of {nodes[2].name}' in error, error)
        expect_equal(keys_of(nodes[0]), before)
        nodes[2].resume()
        mesh.wait_live()
        nodes[2].kill()
        nodes[0].wait_peer(nodes[2], 'gone')
        nodes[0].meshctl('key', 'use', new)
        expect_equal(used_key(nodes[0]), new)
        third = mesh.key('third')
        nodes[1].meshctl('key', 'install', third)
        last, = (key for key in keys_of(nodes[1]) if key not in before)
        nodes[1].meshctl('key', 'use', last, '--force')
        expect_equal(used_key(nodes[1]), last)


def mistakes_change_nothing():
    with Mesh() as mesh:
        node, = mesh.start_keyed(1, mesh.key())
        before = read_text(node.flags['key'])
        used = used_key(node)
        junk = os.path.join(mesh.directory, 'junk')
        with open(junk, 'w', encoding='ascii') as f:
            f.write('no key\n')
        for arguments, status in ((('install', node.flags['key']), 1), (('use', 'ffff'), 1), (('remove', used), 1),
                                  (('install', junk), EXIT_CONFIG), (('install', '/nowhere'), 1), (('rotate', used), 64),
                                  (('use',), 64), (('remove', used, '--force'), 64), (('list', used), 64)):
            seen, out, error = node.meshctl_status('key', *arguments)
            expect_equal((arguments, seen, out), (arguments, status, ''))
            expect(error.startswith('meshctl key: '), error)
        expect_equal(read_text(node.flags['key']), before)
        for n in range(2):
            node.meshctl('key', 'install', mesh.key(f'more-{n}'))
        status, _, error = node.meshctl_status('key', 'install', mesh.key('fourth'))
        expect_equal(status, 1)
        expect('three keys' in error, error)


def a_file_that_cannot_be_replaced_is_told_as_such():
    """The kernel's reasons are also those of mistakes: EEXIST, EBUSY, ENOSPC."""
    with Mesh() as mesh:
        node, = mesh.start_keyed(1, mesh.key())
        before = keys_of(node)
        os.mkdir(node.flags['key'] + '.new')
        status, _, error = node.meshctl_status('key', 'install', mesh.key('second'))
        expect_equal(status, 1)
        expect('cannot be replaced: File exists' in error, error)
        expect_equal(keys_of(node), before)
        os.rmdir(node.flags['key'] + '.new')
        node.meshctl('key', 'install', mesh.key('third'))


def another_user_cannot_change_keys():
    if os.geteuid() != 0:
        raise Skip('needs root, to be another user')
    with Mesh() as mesh:
        node, = mesh.start_keyed(1, mesh.key())
        before = read_text(node.flags['key'])
        other = mesh.key('other')
        for path in (mesh.directory, node.directory):
            os.chmod(path, 0o755)
        os.chmod(node.socket, 0o666)
        os.chmod(other, 0o644)
        # Where others can reach it; the build directory may be in root's home.
        meshctl = shutil.copy2(mesh.program('meshctl'), mesh.directory)
        for arguments in (('install', other), ('use', used_key(node)), ('remove', used_key(node))):
            process = spawn([meshctl, '--socket', node.socket, 'key', *arguments], user=65534, group=65534,
                            extra_groups=[])
            expect_equal((arguments[0], process.wait(DEADLINE_S)), (arguments[0], EXIT_REFUSED))
        expect_equal(read_text(node.flags['key']), before)


def a_node_without_a_key_has_none_to_change():
    with Mesh() as mesh:
        node = mesh.node().start().wait_socket()
        status, _, error = node.meshctl_status('key', 'list')
        expect_equal(status, 1)
        expect('without a mesh key' in error, error)


def a_key_file_that_is_too_open_or_wrong_is_refused_at_start():
    with Mesh() as mesh:
        node = mesh.keyed_node(mesh.key())
        path = node.flags['key']

        def refused(text):
            node.start()
            expect_equal(node.process.wait(DEADLINE_S), EXIT_CONFIG)
            expect(text in read_text(node.log), read_text(node.log))
            os.unlink(node.log)
        os.chmod(path, 0o640)
        refused('has mode 0640')
        os.chmod(path, 0o600)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
            refused('belongs to user 65534')
            os.chown(path, 0, 0)
        with open(path, 'a', encoding='ascii') as f:
            f.write('junk\n')
        refused('key:4: ')
        os.unlink(path)
        refused('No such file')


def a_libzmq_that_lets_strangers_in_is_noticed_at_start():
    """The same program without the option that makes libzmq refuse when nobody answers it."""
    with Mesh() as mesh:
        node = mesh.keyed_node(mesh.key())
        process = spawn([mesh.program('meshd-zap-unenforced'), *node.arguments()[1:]],
                        stderr=open(node.log, 'ab'))  # pylint: disable=consider-using-with
        expect_equal(process.wait(DEADLINE_S), 1)
        expect('a random key without a handler was accepted' in read_text(node.log), read_text(node.log))


def dumps_core(node):
    node.process.send_signal(signal.SIGSEGV)
    _, status = os.waitpid(node.process.pid, 0)
    node.process.returncode = -signal.SIGSEGV
    return os.WCOREDUMP(status)


def no_key_is_in_logs_answers_or_core_files():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    with Mesh() as mesh:
        key = mesh.key()
        nodes = mesh.start_keyed(2, key, log_level='debug')
        rotate(mesh, nodes, lambda: None)
        secrets = [word for path in (key, nodes[0].flags['key']) for word in read_text(path).split() if len(word) == 64]
        expect_equal(len(secrets), 2)
        texts = [read_text(node.log) for node in nodes]
        texts += [nodes[0].meshctl(*verb, is_allowed=(0, 2)) for verb in
                  (['key', 'list', '-o', 'json'], ['status', '-o', 'json'], ['stats', '-o', 'json'], ['peers', '-o', 'json'])]
        for secret in secrets:
            for text in texts:
                expect(secret not in text.lower(), 'a key is shown')
        if sanitizers():
            return  # without core files in any case; LeakSanitizer needs what would forbid them
        expect(not dumps_core(nodes[0]), 'a core file was written')
        plain = mesh.node().start(cwd=mesh.directory).wait_socket()
        if not dumps_core(plain):
            raise Skip('no process of this machine leaves core files')


def nodes_meet_on_an_address_that_is_not_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(('192.0.2.1', 9))
            host = s.getsockname()[0]
        except OSError:
            host = '127.0.0.1'
    if host.startswith('127.'):
        raise Skip('this machine has loopback only')
    with Mesh() as mesh:
        nodes = mesh.start_keyed(2, mesh.key(), listen='0.0.0.0:0')
        address = nodes[0].status()['advertise'][0]
        expect(not address.startswith(('0.', '127.')), address)
        expect_equal(nodes[1].peer(nodes[0])['address'], address)


if __name__ == '__main__':
    run([rotations_of_five_nodes_under_load_cost_no_lease,
         a_slow_rotation_costs_none_either,
         a_slow_disk_holds_up_nothing_but_the_change_itself,
         a_change_that_the_disk_does_not_confirm_counts_and_is_told,
         a_node_that_keeps_the_old_key_is_cut_by_its_removal,
         a_node_with_another_key_or_none_stays_outside,
         what_was_changed_is_in_the_key_file_after_a_crash,
         a_ring_of_two_keys_starts_whatever_the_others_use,
         a_key_that_others_do_not_hold_is_used_only_by_force,
         mistakes_change_nothing,
         a_file_that_cannot_be_replaced_is_told_as_such,
         another_user_cannot_change_keys,
         a_node_without_a_key_has_none_to_change,
         a_key_file_that_is_too_open_or_wrong_is_refused_at_start,
         a_libzmq_that_lets_strangers_in_is_noticed_at_start,
         no_key_is_in_logs_answers_or_core_files,
         nodes_meet_on_an_address_that_is_not_loopback])
