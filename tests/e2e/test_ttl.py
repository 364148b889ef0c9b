#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A region that is served by its TTL goes on without a meshd, but not past another one: what a wait calls done is not served any more.

Processes that only get are the hard ones: they say nothing to meshd, and nobody can say anything to them.
"""
import os
import time

from mesh import DEADLINE_S, Mesh, expect, expect_equal, run, spawn, until

TTL_MS = 600000
LEASE_MS = 1000
PATIENT_MS = 3000  # so that a busy machine alone is no gap between two looks
PARTIAL, REFUSED = 4, 5


class Rig:
    """Two nodes; a writer on the first; on the second a process that only gets, and another one, which drives its loop."""

    def __init__(self, mesh, program='app'):
        self.mesh = mesh
        self.first, self.second = mesh.start(2, gone_ms=60000)
        self.writer = self.first.app(name='writer').wait_mode('live')
        self.getter = self.second.app(name='getter', program=program).wait_mode('live')
        self.other = self.second.app(name='other').wait_mode('live')
        for app in (self.getter, self.other):
            expect_equal(app.ask(f'region t ttl {TTL_MS} 1048576')['rc'], 0)
        # Another TTL, so that the first node tells when it knows what the second one has.
        expect_equal(self.writer.ask(f'region t ttl {TTL_MS + 1} 1048576')['rc'], 0)
        expect_equal(self.getter.ask('until t k stored 30000')['rc'], 0)
        expect_equal(self.getter.ask('load t other old')['rc'], 0)
        until('its options are known', lambda: self.first.json('regions')['regions'][0]['elsewhere'])

    def write(self, key):
        return self.writer.ask(f'invalidate t {key} mesh')

    def file(self, name):
        return os.path.join(self.mesh.directory, name)

    def word(self, name):
        """The same as a command wants it."""
        return self.file(name).replace('/', '%')

    def tell(self, name):
        with open(self.file(name), 'wb'):
            pass

    def restart(self):
        """Another process of the second node, which the other app has found."""
        self.second.start()
        self.mesh.wait_live()
        self.other.wait_mode('live')
        until('its options are known again', lambda: self.write('other')['rc'] == 0)

    def is_served(self, key='k'):
        return self.getter.ask(f'get t {key}')['rc'] == 0


def idle(program):
    """Does a process that did nothing meanwhile serve what was changed after a restart of its meshd?"""
    with Mesh(lease_ms=LEASE_MS) as mesh:
        rig = Rig(mesh, program)
        expect(rig.is_served(), 'not served at first')
        rig.second.kill()
        rig.restart()
        expect_equal(rig.write('k')['rc'], 0)
        is_served = rig.is_served()
        if program == 'app':
            expect_equal(rig.getter.ask('until t k stored 30000')['rc'], 0)
        return is_served


def busy(program):
    """Seconds from the return of the write to the last hit of a process that asked all the time, and whether it asked for long."""
    with Mesh(lease_ms=LEASE_MS) as mesh:
        rig = Rig(mesh, program)
        rig.getter.send(f'last-hit t k {rig.word("enough")}')
        rig.second.kill()
        rig.restart()
        expect_equal(rig.write('k')['rc'], 0)
        returned = time.monotonic_ns()
        time.sleep(2 * LEASE_MS / 1000)  # what is looked for is a hit in this time
        rig.tell('enough')
        seen = rig.getter.receive()
        print(f'# {program}: {seen}')
        return (seen['last_hit_ns'] - returned) / 1e9, seen


def a_process_that_was_idle_while_its_meshd_was_replaced_serves_nothing_that_is_called_done():
    expect(not idle('app'), 'the old value was served after the wait')


def a_process_that_only_gets_all_the_time_serves_nothing_that_is_called_done():
    late, seen = busy('app')
    expect(seen['hits'] > 0, f'{seen}')
    expect(late <= 0, f'a hit {late:.3f} s after the write returned')


def without_the_look_old_values_are_served_and_this_test_notices():
    expect(idle('app-ttl-unvouched'), 'not noticed in an idle process')
    late, _ = busy('app-ttl-unvouched')
    expect(late > LEASE_MS / 1000, f'the last hit {late:.3f} s after the write returned, though nobody looks')


def comes_and_goes(end):
    """A meshd that an idle process has missed, which ends; nobody listens, as when the first one had just been killed."""
    with Mesh(lease_ms=LEASE_MS) as mesh:
        rig = Rig(mesh)
        rig.second.kill()
        rig.restart()
        expect_equal(rig.write('k')['rc'], 0)
        end(rig.second)
        expect(not rig.is_served(), 'the old value was served after the wait')
        expect(not rig.is_served('other'), 'what nobody changed cannot be told from it')
        # Nor is there proof for what is loaded from here on, until there is a new page.
        expect_equal(rig.getter.ask('load t new new')['rc'], 0)
        expect_equal(rig.getter.ask('get t new')['reason'], 'lease')
        rig.restart()
        expect_equal(rig.getter.ask('until t k stored 30000')['rc'], 0)
        expect(rig.is_served(), 'not served with the new page')


def a_meshd_that_came_and_was_killed_while_a_process_was_idle_is_noticed():
    comes_and_goes(lambda node: node.kill())


def so_is_one_that_came_and_ended_in_order():
    comes_and_goes(lambda node: node.stop())


def it_goes_on_without_a_meshd_as_long_as_it_is_asked():
    with Mesh(lease_ms=PATIENT_MS) as mesh:
        rig = Rig(mesh)
        rig.getter.send(f'last-hit t k {rig.word("enough")}')
        rig.second.kill()
        time.sleep(2 * PATIENT_MS / 1000)  # that it does is what is tested
        until_ns = time.monotonic_ns()
        answer = rig.write('k')
        expect_equal((answer['rc'], answer['members']), (PARTIAL, f'{rig.second.name}:unconfirmed'))
        time.sleep(PATIENT_MS / 1000)  # what is looked for is a hit in this time
        rig.tell('enough')
        seen = rig.getter.receive()
        expect(seen['last_hit_ns'] > until_ns, f'{seen}')


def one_that_only_gets_or_only_puts_finds_the_new_meshd_by_itself():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        rig = Rig(mesh)
        rig.second.kill()
        rig.second.start()
        rig.mesh.wait_live()
        for command in ('get t k', 'load t k new'):
            until(f'"{command}" lets it attach', lambda: rig.getter.ask(command)
                  and 'getter' in [row['name'] for row in rig.second.json('clients')['clients']])
            rig.second.kill()
            rig.second.start()
            rig.mesh.wait_live()


def a_restarted_node_is_confirmed_before_its_apps_are_seen_again():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        rig = Rig(mesh)
        rig.other.close()
        rig.second.kill()
        rig.second.start()
        rig.mesh.wait_live()
        until('it acknowledges', lambda: rig.write('k')['rc'] == 0)
        expect(not rig.is_served(), 'the old value was served after the wait')
        expect_equal(rig.getter.ask('until t k stored 30000')['rc'], 0)
        until('it is served again', lambda: rig.is_served())


def an_end_in_order_ends_what_is_served_by_a_ttl_too():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        rig = Rig(mesh)
        expect_equal(rig.getter.ask('get t k')['rc'], 0)
        rig.getter.send(f'last-hit t k {rig.word("enough")}')
        rig.second.stop()
        stopped = time.monotonic_ns()
        answer = rig.write('k')
        expect_equal((answer['rc'], answer['applied'], answer['members']), (0, 0, ''))
        rig.tell('enough')
        seen = rig.getter.receive()
        expect(seen['last_hit_ns'] <= stopped, f'{seen}')
        expect_equal(rig.getter.ask('load t k new')['rc'], REFUSED)  # nor stored: nobody would tell
        expect_equal(rig.getter.ask('get t k')['reason'], 'forgotten')
        rig.restart()
        expect_equal(rig.getter.ask('until t k stored 30000')['rc'], 0)


def an_obituary_ends_what_is_served_by_a_ttl_too():
    with Mesh(lease_ms=PATIENT_MS) as mesh:
        rig = Rig(mesh)
        rig.getter.send(f'last-hit t k {rig.word("enough")}')
        rig.second.kill()
        with open(rig.second.log, 'ab') as log:
            process = spawn(rig.second.arguments() + ['--obituary'], stdout=log, stderr=log)
        expect_equal(process.wait(DEADLINE_S), 0)
        rig.first.wait_peer(rig.second, 'left')
        rig.writer.wait_mode('live')
        for region in ('r', 't'):
            answer = rig.writer.ask(f'invalidate {region} k mesh')
            expect_equal((answer['rc'], answer['applied'], answer['members']), (0, 0, ''))
        returned = time.monotonic_ns()
        time.sleep(PATIENT_MS / 1000)  # what is looked for is a hit in this time
        rig.tell('enough')
        seen = rig.getter.receive()
        print(f'# the last hit {(seen["last_hit_ns"] - returned) / 1e9:.3f} s after the wait')
        expect(seen['last_hit_ns'] <= returned, f'{seen}, done at {returned}')
        expect(not rig.is_served(), 'the old value was served after the wait')


def a_forked_child_notices_by_itself():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        rig = Rig(mesh)
        commands = ('until t k stored 30000', 'get t k', f'touch {rig.word("stored")}', f'await {rig.word("restarted")}',
                    'get t k', 'until t k stored 30000')
        rig.getter.send('fork ' + ';'.join(commands).replace(' ', '/'))
        until('the child has stored it', lambda: os.path.exists(rig.file('stored')))
        rig.second.kill()
        rig.restart()
        expect_equal(rig.write('k')['rc'], 0)
        rig.tell('restarted')
        answers = rig.getter.receive_line().split(';')
        expect_equal([answer.split(' ')[0] for answer in answers], ['rc=0', 'rc=0', 'rc=0', 'rc=0', 'rc=1', 'rc=0', 'status=0'])
        expect(not rig.is_served(), 'the parent served the old value')


if __name__ == '__main__':
    run([a_process_that_was_idle_while_its_meshd_was_replaced_serves_nothing_that_is_called_done,
         a_process_that_only_gets_all_the_time_serves_nothing_that_is_called_done,
         without_the_look_old_values_are_served_and_this_test_notices,
         a_meshd_that_came_and_was_killed_while_a_process_was_idle_is_noticed,
         so_is_one_that_came_and_ended_in_order,
         it_goes_on_without_a_meshd_as_long_as_it_is_asked,
         one_that_only_gets_or_only_puts_finds_the_new_meshd_by_itself,
         a_restarted_node_is_confirmed_before_its_apps_are_seen_again,
         an_end_in_order_ends_what_is_served_by_a_ttl_too,
         an_obituary_ends_what_is_served_by_a_ttl_too,
         a_forked_child_notices_by_itself])
