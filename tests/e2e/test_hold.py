#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Regions with hold_ms: what was just invalidated is not cached for a while, on any node."""
import json
import time

from mesh import Mesh, expect, expect_equal, read_text, run, until

CM_PENDING, CM_REFUSED = 3, 5
CM_E_CONFIG = -1001
HOLD_MS = 4000  # long enough for a busy machine to see it


def stored(app, key='k'):
    expect_equal(app.ask(f'until h {key} stored 30000')['rc'], 0)


def open_held(*apps):
    for app in apps:
        expect_equal(app.ask(f'region h held {HOLD_MS} 1048576')['rc'], 0)


def reason(app, key='k'):
    """Why it gets nothing, while its lease runs."""
    told = app.get(f'h {key}')
    return told['reason'] if told['rc'] else 'hit'


def expect_held(began, *apps):
    """Not cached before its end, although the apps try it all the time; what was loaded before is refused then."""
    expect_equal([reason(app) for app in apps], ['intent'] * len(apps))
    for app in apps:
        expect_equal(app.ask('load h k lagging')['rc'], CM_REFUSED)
        expect_equal(app.ask('token 1')['rc'], 0)
    for app in apps:
        until('it is over', lambda: reason(app) != 'intent')
        expect_equal(app.ask('put h k lagging 1')['rc'], CM_REFUSED)
        stored(app)
        took = time.monotonic() - began
        print(f'# stored again after {took:.3f} s')
        expect(took >= HOLD_MS / 1000, f'it was cached {took} s after the invalidation')


def what_was_invalidated_is_stored_again_only_after_the_hold():
    with Mesh() as mesh:
        (first, second), (writer, reader) = mesh.start_with_apps(2)
        open_held(writer, reader)
        stored(reader)
        stored(writer)
        began = time.monotonic()
        expect_equal(writer.ask('invalidate h k mesh')['rc'], 0)
        stored(reader, 'other')
        expect(time.monotonic() - began < HOLD_MS / 1000, 'too slow, so nothing was tested')
        why = second.json('why', 'k', '--region', 'h')
        expect((why['has_intent'], why['is_served']) == (True, False) and 'hold_ms' in why['verdict'], f'{why}')
        expect_held(began, writer, reader)
        until('nothing is held', lambda: first.stats()['slots_held'] + second.stats()['slots_held'] == 0)


def the_end_of_a_write_holds_it_too():
    with Mesh() as mesh:
        _, (writer, reader) = mesh.start_with_apps(2)
        open_held(writer, reader)
        stored(reader)
        expect_equal(writer.ask('begin 0 h k 30000')['rc'], 0)
        began = time.monotonic()
        expect_equal(writer.ask('end 0')['rc'], 0)
        expect_held(began, writer, reader)


def meshctl_holds_what_it_is_told_to():
    with Mesh() as mesh:
        (first, _), (_, reader) = mesh.start_with_apps(2)
        stored(reader)
        began = time.monotonic()
        first.meshctl('invalidate', '--region', 'h', '--hold', str(HOLD_MS), 'k')
        expect_held(began, reader)


def a_meshd_that_was_killed_holds_all_that_it_cannot_tell_apart():
    with Mesh() as mesh:
        (first, _), (writer, reader) = mesh.start_with_apps(2)
        expect_equal(writer.ask('region h held 60000 1048576')['rc'], 0)
        expect_equal(writer.ask('region free bounded 60000 1048576')['rc'], 0)
        stored(writer)
        stored(reader)
        began = time.monotonic()
        expect_equal(writer.ask('invalidate h k mesh')['rc'], 0)
        first.kill()
        first.start()
        mesh.wait_live()
        writer.wait_mode('live')
        until('the app has its region there', lambda: first.json('why', 'k', '--region', 'h').get('clients') == 1)
        expect_equal([writer.ask(f'load h {key} lagging')['rc'] for key in ('k', 'other')], [CM_REFUSED] * 2)
        expect_equal(reason(writer, 'other'), 'intent')
        expect_equal(writer.ask('until free k stored 30000')['rc'], 0)
        expect('its whole region is held' in first.json('why', 'other', '--region', 'h')['verdict'], 'why does not say so')
        expect_equal(reader.ask('load h other fresh')['rc'], 0)
        expect_equal(reason(reader), 'intent')
        expect(time.monotonic() - began < 60, 'it was over, so nothing was tested')


def a_ttl_region_holds_what_its_process_invalidates_while_meshd_is_away():
    # Who does not look for a lease while meshd is away stores nothing until it is back: a busy machine must not be taken for that.
    with Mesh(4000) as mesh:
        (first, _), (writer, _) = mesh.start_with_apps(2)
        expect_equal(writer.ask(f'region h held-ttl {HOLD_MS} 1048576')['rc'], 0)
        stored(writer)
        stored(writer, 'other')
        first.kill()
        began = time.monotonic()
        expect_equal(writer.ask('invalidate h k node')['rc'], CM_PENDING)
        expect_equal(reason(writer, 'other'), 'hit')
        expect_held(began, writer)


def a_hold_that_differs_is_refused_on_one_node_and_told_between_two():
    with Mesh() as mesh:
        (first, second), (writer, reader) = mesh.start_with_apps(2)
        open_held(writer)
        row, = first.json('regions')['regions']
        expect_equal((row['hold_ms'], row['elsewhere'], row['is_conflicting']), (HOLD_MS, '', False))
        late = first.app(name='late').wait_mode('live')
        expect_equal(late.ask('region h bounded 0 1048576')['rc'], CM_E_CONFIG)
        expect_equal(first.json('regions')['regions'][0]['is_conflicting'], True)
        expect_equal(reader.ask('region h bounded 0 1048576')['rc'], 0)
        for node, here, there in ((first, HOLD_MS, 0), (second, 0, HOLD_MS)):
            until(f'{node.name} shows it', lambda: node.json('regions')['regions'][0]['elsewhere'])
            row = node.json('regions')['regions'][0]
            expect_equal(row['hold_ms'], here)
            expect(row['elsewhere'].endswith(f'bounded, ttl 0 ms, hold {there} ms'), f'{row}')
            expect('event=region.differs' in read_text(node.log), 'it is not in the log')
            status, out, _ = node.meshctl_status('doctor', '-o', 'json')
            expect_equal(status, 2)
            findings = [check for check in json.loads(out)['checks'] if check['check'] == 'regions']
            expect(any(f'hold {there} ms' in check['finding'] for check in findings), f'{findings}')


if __name__ == '__main__':
    run([what_was_invalidated_is_stored_again_only_after_the_hold,
         the_end_of_a_write_holds_it_too,
         meshctl_holds_what_it_is_told_to,
         a_meshd_that_was_killed_holds_all_that_it_cannot_tell_apart,
         a_ttl_region_holds_what_its_process_invalidates_while_meshd_is_away,
         a_hold_that_differs_is_refused_on_one_node_and_told_between_two])
