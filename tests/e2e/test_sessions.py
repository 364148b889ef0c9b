#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sessions of real apps at one real meshd: what they share, what it costs, what is left when something dies."""
import time

from mesh import Mesh, expect, expect_equal, run, until

LEASE_MS = 1000  # a busy machine must not let it lapse
TIMEOUT_MS = 700
CONFLICT = 8
GONE = 9
CM_E_UNCONFIRMED = -1012
SHADOW = 1 << 30  # a sanitizer's, of terabytes: it holds nothing of the program's


def asked(node):
    """Requests of sessions that meshd has had."""
    stats = node.stats()
    return sum(value for name, value in stats.items() if name.startswith('sessions_asked_'))


def member(node):
    return node.app(program='session_app').wait_mode('live')


class Place:
    """One node and two apps for all cases that do them no harm."""
    mesh = None
    apps = ()

    @classmethod
    def pair(cls):
        node, = cls.mesh.nodes or cls.mesh.start(1)
        cls.apps = cls.apps or (member(node), member(node))
        return (node, *cls.apps)


def a_session_is_of_all_processes_and_outlives_them():
    node, _, other = Place.pair()
    app = member(node)
    made = app.ask('create cart=1 alice')
    expect_equal(made['rc'], 0)
    expect_equal(other.ask(f'get {made["id"]}'), {'rc': 0, 'len': 6, 'data': 'cart=1'})
    app.kill()
    expect_equal(member(node).ask(f'get {made["id"]}')['data'], 'cart=1')


def a_save_is_seen_at_once_by_who_had_a_copy():
    _, app, other = Place.pair()
    made = app.ask('create v0')
    for i in range(1, 50):
        expect_equal(other.ask(f'get {made["id"]}')['data'], f'v{i - 1}')
        expect_equal(app.ask(f'save {made["id"]} v{i}')['rc'], 0)


def a_repeated_get_costs_no_request():
    node, app, other = Place.pair()
    made = app.ask('create data')
    expect_equal(other.ask(f'get {made["id"]}')['rc'], 0)
    before = asked(node)
    expect_equal(other.ask(f'gets {made["id"]} 10000')['rc'], 0)
    expect_equal(asked(node) - before, 0)


def of_two_saves_over_one_version_one_wins():
    _, app, other = Place.pair()
    made = app.ask('create v0')
    for one in (app, other):
        expect_equal(one.ask(f'hold {made["id"]}')['data'], 'v0')
    expect_equal(app.ask('commit first')['rc'], 0)
    expect_equal(other.ask('commit second'), {'rc': CONFLICT, 'len': 5, 'data': 'first'})
    expect_equal(other.ask('commit merged')['rc'], 0)
    expect_equal(app.ask(f'get {made["id"]}')['data'], 'merged')


def what_was_ended_is_ended_for_everybody():
    _, app, other = Place.pair()
    made = app.ask('create v0')
    expect_equal(other.ask(f'hold {made["id"]}')['rc'], 0)
    expect_equal(app.ask(f'destroy {made["id"]}')['rc'], 0)
    expect_equal(other.ask(f'get {made["id"]}')['rc'], GONE)
    expect_equal(other.ask('commit again')['rc'], GONE)
    expect_equal(app.ask(f'get {made["id"]}')['rc'], GONE)


def logging_out_everywhere_ends_what_was_there_and_nothing_later():
    _, app, other = Place.pair()
    mine = [app.ask('create v alice')['id'] for _ in range(20)]
    hers = app.ask('create v bob')['id']
    for one in mine + [hers]:
        expect_equal(other.ask(f'get {one}')['rc'], 0)
    expect_equal(app.ask('principal alice')['rc'], 0)
    expect_equal({other.ask(f'get {one}')['rc'] for one in mine}, {GONE})
    expect_equal(other.ask(f'get {hers}')['rc'], 0)
    later = other.ask('create v alice')
    expect_equal(app.ask(f'get {later["id"]}')['rc'], 0)


def a_changed_id_never_leads_to_the_new_session():
    _, app, other = Place.pair()
    made = app.ask('create visitor')
    expect_equal(other.ask(f'get {made["id"]}')['rc'], 0)
    changed = app.ask(f'rotate {made["id"]} user')
    expect_equal(changed['rc'], 0)
    expect(changed['id'] != made['id'], 'the id is the same')
    expect_equal(other.ask(f'get {made["id"]}')['rc'], GONE)
    expect_equal(other.ask(f'get {changed["id"]}')['data'], 'user')


def long_sessions_come_whole():
    _, app, other = Place.pair()
    made = app.ask('create v0')
    for size in (59000, 60000, 61000, 130000, 262080):
        expect_equal(app.ask(f'size {made["id"]} {size}'), {'rc': 0, 'len': size})
        expect_equal(other.ask(f'get {made["id"]}')['len'], size)


def every_call_ends_by_its_deadline_while_meshd_stands_still():
    with Mesh(LEASE_MS) as mesh:
        node, = mesh.start(1)
        app = node.app(program='session_app', timeout_ms=TIMEOUT_MS).wait_mode('live')
        made = app.ask('create v0 alice')
        node.pause()
        for command in (f'get {made["id"]}', f'save {made["id"]} v1', f'destroy {made["id"]}', 'create v', 'principal alice'):
            began = time.monotonic()
            app.ask(command)
            took_ms = (time.monotonic() - began) * 1000
            # A copy in the process is served for as long as the lease runs; who saves asks twice.
            expect(took_ms < 2 * TIMEOUT_MS + 2000, f'{command}: {took_ms:.0f} ms')
        expect(app.ask(f'get {made["id"]}')['rc'] < 0, 'a copy is served without a lease')
        node.resume()


def a_copy_is_not_served_by_a_process_that_is_cut_off():
    _, app, other = Place.pair()
    made = app.ask('create v0')
    expect_equal(other.ask(f'get {made["id"]}')['rc'], 0)
    other.pause()
    expect_equal(app.ask(f'save {made["id"]} v1')['rc'], 0)
    expect_equal(app.ask(f'destroy {made["id"]}')['rc'], 0)
    other.resume()
    expect_equal(other.ask(f'get {made["id"]}')['rc'], GONE)


def people_see_sessions_and_can_end_them():
    node, app, _ = Place.pair()
    made = app.ask('create secret-data alice shown')
    row = next(row for row in node.json('sessions')['sessions'] if row['tag'] == 'shown')
    expect(made['id'] not in str(row) and 'secret' not in str(row), row)
    expect_equal(node.json('sessions', 'show', row['key'])['state'], 'alive')
    expect_equal(node.json('sessions', 'destroy', row['key'])['state'], 'destroyed')
    expect_equal(app.ask(f'get {made["id"]}')['rc'], GONE)


def a_logout_with_an_id_that_never_was_is_done_and_shown():
    node, app, _ = Place.pair()
    made = app.ask('create v0 alice')['id']
    other = ('B' if made[0] == 'A' else 'A') + made[1:]
    before = node.stats()['sessions_blind']
    expect_equal(app.ask(f'destroy {other}')['rc'], 0)
    expect(node.stats()['sessions_blind'] > before, node.stats())
    expect_equal(app.ask(f'get {made}')['rc'], 0)


def neither_id_nor_content_leaves_the_process():
    """Not even into a core file of meshd: they were never there."""
    node, app, _ = Place.pair()
    made = app.ask('create sesame-open-sesame')
    needles = [made['id'].encode(), b'sesame-open-sesame']
    with open(f'/proc/{node.process.pid}/maps', encoding='ascii') as maps, \
            open(f'/proc/{node.process.pid}/mem', 'rb') as memory:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split('-'))
            if ' rw' not in line or end - begin > SHADOW:
                continue
            memory.seek(begin)
            try:
                content = memory.read(end - begin)
            except OSError:
                continue
            for needle in needles:
                expect(needle not in content, f'{needle} is in the memory of meshd')


def a_logout_that_one_node_cannot_vouch_for_is_no_success():
    """Each node holds its own sessions in this version."""
    with Mesh(LEASE_MS) as mesh:
        nodes = mesh.start(2)
        nodes[0].wait_peer(nodes[1], 'live')
        nodes[1].wait_peer(nodes[0], 'live')
        app, other = (member(node) for node in nodes)
        made = app.ask('create v0 alice')
        expect_equal(other.ask(f'get {made["id"]}')['rc'], GONE)
        expect_equal(other.ask(f'destroy {made["id"]}')['rc'], CM_E_UNCONFIRMED)
        expect_equal(other.ask('principal alice')['rc'], CM_E_UNCONFIRMED)
        expect_equal(app.ask(f'get {made["id"]}')['rc'], 0)
        expect_equal(app.ask(f'destroy {made["id"]}')['rc'], 0)
        expect_equal(app.ask(f'get {made["id"]}')['rc'], GONE)


def a_meshd_that_was_restarted_knows_none_of_them_and_says_so():
    with Mesh(LEASE_MS) as mesh:
        node, = mesh.start(1)
        app = member(node)
        made = app.ask('create v0')
        node.kill()
        node.start().wait_socket()
        app.wait_mode('live')
        until('the session is gone', lambda: app.ask(f'get {made["id"]}')['rc'] == GONE)
        expect_equal(app.ask('create v1')['rc'], 0)


with Mesh(LEASE_MS) as Place.mesh:
    run([a_session_is_of_all_processes_and_outlives_them, a_save_is_seen_at_once_by_who_had_a_copy, a_repeated_get_costs_no_request,
         of_two_saves_over_one_version_one_wins, what_was_ended_is_ended_for_everybody,
         logging_out_everywhere_ends_what_was_there_and_nothing_later, a_changed_id_never_leads_to_the_new_session,
         long_sessions_come_whole, a_copy_is_not_served_by_a_process_that_is_cut_off, people_see_sessions_and_can_end_them,
         a_logout_with_an_id_that_never_was_is_done_and_shown,
         neither_id_nor_content_leaves_the_process, every_call_ends_by_its_deadline_while_meshd_stands_still,
         a_logout_that_one_node_cannot_vouch_for_is_no_success, a_meshd_that_was_restarted_knows_none_of_them_and_says_so])
