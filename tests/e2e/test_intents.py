#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write intents between real nodes: nobody serves what a write has begun on, until its end or its deadline, whoever dies."""
import time

from mesh import Mesh, expect, expect_equal, run, until

CM_PENDING = 3
CM_PARTIAL = 4
CM_REFUSED = 5
CM_E_BUSY = -1007
CM_E_EXPIRED = -1008
DEADLINE_MS = 8000  # long enough for a busy machine to see it
FAR_MS = 30000  # as long as one may last; nobody waits for it
CLIENT_MAX = 64
NODE_MAX = 256


def stored(*apps):
    for app in apps:
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)


def begun(app, number=0, deadline_ms=DEADLINE_MS, key='k'):
    """Known on every node; returns when it was begun. Where a member lapsed, as on a busy machine, it is begun anew."""
    def begin():
        began = time.monotonic()
        answer = app.ask(f'begin {number} r {key} {deadline_ms}')
        expect(answer['rc'] in (0, CM_PARTIAL), f'{answer}')
        if answer['rc'] == 0:
            return began
        expect_equal(app.ask(f'end {number}')['rc'], 0)
        return None
    return until('all know it', begin)


def reason(app, key='k'):
    answer = app.get(f'r {key}')
    return answer['reason'] if answer['rc'] else 'hit'


def intents(node, *arguments):
    return node.json('intents', *arguments)['intents']


def expect_ended_by_its_deadline(app, began, deadline_ms=DEADLINE_MS):
    """Not before, although the app tries to store it all the time; and not long after."""
    stored(app)
    took = time.monotonic() - began
    print(f'# stored again after {took:.3f} s')
    expect(took >= deadline_ms / 1000, f'it was served {took} s after the begin')


def a_begun_write_is_a_miss_elsewhere_and_is_not_stored_until_its_end():
    with Mesh() as mesh:
        (first, second), (writer, reader) = mesh.start_with_apps(2)
        stored(reader, writer)
        began = begun(writer, deadline_ms=FAR_MS)
        expect_equal((reason(reader), reason(writer)), ('intent', 'intent'))
        expect_equal(reader.ask('load r k fresh')['rc'], CM_REFUSED)
        expect_equal(reader.ask('load r other fresh')['rc'], 0)
        row, = intents(second)
        expect_equal((row['node'], row['region'], row['n_keys'], row['client'], row['pid']), (first.name, 'r', 1, '', 0))
        expect(0 < row['left_ms'] <= FAR_MS + 1000, f'{row}')
        row, = intents(first, '--show-keys')
        expect_equal((row['first'], row['client'], row['pid']), ('k', writer.name, writer.process.pid))
        why = json_why(second)
        expect_equal((why['has_intent'], why['is_served'], why['verdict']), (True, False, 'a write intent is open on it'))
        expect_equal(cause(second), (first.name, 'intent-begin', 'a write to it has begun'))
        token = reader.ask('token 1')['rc']
        expect_equal((token, reason(reader)), (0, 'intent'))
        expect_equal(writer.ask('end 0')['rc'], 0)
        until('it ended there', lambda: not intents(second))
        expect_equal(cause(second), (first.name, 'intent-end', 'a write to it has ended'))
        # What was loaded before the end is not stored after it.
        expect_equal(reader.ask('put r k old 1')['rc'], CM_REFUSED)
        stored(reader, writer)
        expect(time.monotonic() - began < FAR_MS / 1000, 'its deadline was over, so nothing was tested')


def json_why(node):
    return node.json('why', 'k', '--region', 'r')


def cause(node):
    """Of the newest stamp of the key."""
    row, = (row for row in json_why(node)['stamps'] if row['what'] == 'key')
    return row['source'], row['kind'], row['cause']


def without_an_end_its_deadline_ends_it_and_a_late_end_says_so():
    with Mesh() as mesh:
        (first, second), (writer, reader) = mesh.start_with_apps(2)
        stored(reader)
        began = begun(writer, deadline_ms=2500)
        expect_ended_by_its_deadline(reader, began, 2500)
        until('it is over here, too', lambda: not intents(first))
        expect_equal(cause(second), (first.name, 'intent-end', 'a write to it was ended by its deadline'))
        expect_equal(writer.ask('end 0')['rc'], CM_E_EXPIRED)
        until('the late end killed what was stored', lambda: reason(reader) != 'hit')
        expect_equal(second.stats()['intents_expired'], 1)
        stored(reader)


def a_killed_app_changes_nothing_until_the_deadline():
    with Mesh() as mesh:
        (first, _), (writer, reader) = mesh.start_with_apps(2)
        other = first.app(name='other').wait_mode('live')
        stored(reader, other)
        began = begun(writer)
        writer.kill()
        until('meshd knows that its app is gone', lambda: intents(first)[0]['pid'] == 0)
        expect_equal((reason(reader), reason(other)), ('intent', 'intent'))
        expect_ended_by_its_deadline(reader, began)
        stored(other)


def a_killed_meshd_changes_nothing_until_the_deadline():
    with Mesh() as mesh:
        (first, second), (writer, reader) = mesh.start_with_apps(2)
        stored(reader)
        began = begun(writer, deadline_ms=12000)
        first.kill()
        # Past the moment at which the other one declares it gone, and serves alone.
        second.wait_peer(first, 'gone')
        expect_equal(reader.ask('until r other stored 30000')['rc'], 0)
        expect_equal(reason(reader), 'intent')
        expect_ended_by_its_deadline(reader, began, 12000)


def a_meshd_that_was_killed_and_started_knows_its_intents_and_their_end():
    with Mesh() as mesh:
        (first, second), (writer, reader) = mesh.start_with_apps(2)
        stored(reader, writer)
        began = begun(writer, deadline_ms=FAR_MS)
        first.kill()
        first.start()
        mesh.wait_live()
        writer.wait_mode('live')
        until('it serves others', lambda: writer.ask('until r other stored 1')['rc'] == 0)
        expect_equal((reason(writer), reason(reader)), ('intent', 'intent'))
        row, = intents(first)
        expect_equal((row['node'], row['client']), (first.name, ''))
        expect_equal(writer.ask('end 0')['rc'], 0)
        until('it ended on both', lambda: not intents(first) and not intents(second))
        stored(reader, writer)
        expect(time.monotonic() - began < FAR_MS / 1000, 'its deadline was over, so nothing was tested')


def a_node_that_joins_later_is_told():
    with Mesh() as mesh:
        (first, second), (writer, reader) = mesh.start_with_apps(2)
        begun(writer, deadline_ms=FAR_MS)
        third = mesh.node().start()
        joiner = third.app(name='joiner').wait_mode('live')
        expect_equal(joiner.ask('until r other stored 30000')['rc'], 0)
        expect_equal(reason(joiner), 'intent')
        # Also by one that is not its owner: that one is dead when the next one joins.
        mesh.wait_live()
        first.kill()
        second.wait_peer(first, 'gone')
        third.wait_peer(first, 'gone')
        fourth = mesh.node().start()
        last = fourth.app(name='last').wait_mode('live')
        expect_equal(last.ask('until r other stored 30000')['rc'], 0)
        row, = intents(fourth)
        expect(row['left_ms'] > 0, f'{row}')
        expect_equal((reason(last), reason(reader)), ('intent', 'intent'))


def one_connection_has_a_bounded_number_open():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        app = node.app().wait_mode('live')
        for number in range(CLIENT_MAX):
            begun(app, number, FAR_MS, f'k{number}')
        expect_equal(app.ask(f'begin 100 r more {FAR_MS}')['rc'], CM_E_BUSY)
        expect_equal(app.ask('end 0')['rc'], 0)
        expect_equal(app.ask(f'begin 100 r more {FAR_MS}')['rc'], 0)
        expect_equal(node.app(name='other').wait_mode('live').ask(f'begin 0 r k {FAR_MS}')['rc'], 0)


def one_begun_before_the_node_serves_is_over_with_its_end():
    with Mesh() as mesh:
        node = mesh.node(alone_ms=30000).start()
        app = node.app(name='early', timeout_ms=2000)
        app.wait_mode('bypass')
        expect_equal(app.ask(f'begin 0 r k {FAR_MS}')['rc'], CM_PENDING)
        expect_equal(len(intents(node)), 1)
        expect_equal(app.ask('end 0')['rc'], 0)
        expect_equal(intents(node), [])


def more_than_one_answer_holds_are_cut_and_counted():
    with Mesh() as mesh:
        nodes, _ = mesh.start_with_apps(4)
        key = '\x01' * 300
        for node in nodes:
            for app in (node.app(name=f'app{i}').wait_mode('live') for i in range(NODE_MAX // CLIENT_MAX)):
                for number in range(CLIENT_MAX):
                    begun(app, number, FAR_MS, f'{key}{number}')
        until('all are told', lambda: nodes[0].stats()['intents_open'] == 4 * NODE_MAX)
        document = nodes[0].json('intents')
        expect_equal((len(document['intents']), document['n_more']), (4 * NODE_MAX, 0))
        document = nodes[0].json('intents', '--show-keys')
        expect(document['n_more'] > 0, 'they all fit, so nothing was tested')
        expect_equal(len(document['intents']) + document['n_more'], 4 * NODE_MAX)


def a_member_that_does_not_answer_makes_it_partial():
    with Mesh() as mesh:
        (_, second), (writer, _) = mesh.start_with_apps(2)
        second.pause()
        answer = writer.ask(f'begin 0 r k {FAR_MS}')
        expect_equal((answer['rc'], answer['lapsed'] + answer['unconfirmed']), (CM_PARTIAL, 1))
        second.resume()
        mesh.wait_live()
        until('it has it now', lambda: intents(second))
        expect_equal(writer.ask('end 0')['rc'], 0)


if __name__ == '__main__':
    run([a_begun_write_is_a_miss_elsewhere_and_is_not_stored_until_its_end,
         without_an_end_its_deadline_ends_it_and_a_late_end_says_so,
         a_killed_app_changes_nothing_until_the_deadline,
         a_killed_meshd_changes_nothing_until_the_deadline,
         a_meshd_that_was_killed_and_started_knows_its_intents_and_their_end,
         a_node_that_joins_later_is_told,
         one_connection_has_a_bounded_number_open,
         one_begun_before_the_node_serves_is_over_with_its_end,
         more_than_one_answer_holds_are_cut_and_counted,
         a_member_that_does_not_answer_makes_it_partial])
