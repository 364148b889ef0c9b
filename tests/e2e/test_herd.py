#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many processes that miss the same keys: one load for each node, a cap on loads at a time, and a database that lives."""
import contextlib
import time

from mesh import Mesh, expect, expect_equal, run, until

SHARED = 1
N_KEYS = 400
QUERY_US = 2000
TIMEOUT_MS = 5000
LEASE_MS = 1000  # a busy machine must not let it lapse
N_PROCESSES = 3  # of a node
N_THREADS = 8
CAPACITY = 18  # queries at a time; more kill the database
EIO = -5


def open_app(mesh, node, loads_max=4, is_shared=SHARED, stale_ms=0, timeout_ms=TIMEOUT_MS):
    app = node.app(name=f'herd-{mesh.serial()}', program='herd', timeout_ms=timeout_ms)
    expect_equal(app.ask(f'open {mesh.directory}/db keys {loads_max} {is_shared} {stale_ms}')['rc'], 0)
    return app


def open_apps(mesh, nodes, n_each, **options):
    return [open_app(mesh, node, **options).wait_mode('live') for node in nodes for _ in range(n_each)]


def sum_of(apps, name):
    return sum(app.ask('stats')[name] for app in apps)


def everywhere(apps, command):
    """Sent to all, then answered by all."""
    for app in apps:
        app.send(command)
    return [app.receive() for app in apps]


@contextlib.contextmanager
def herd(n_processes, **options):
    """A node of two, and processes on it that share their loads; the last one, the clerk, looks after the database only."""
    with Mesh(LEASE_MS) as mesh:
        node, _ = mesh.start(2)
        yield node, *open_apps(mesh, [node], n_processes, **options)


def in_a_slow_load(clerk, begin, n_running=1, query_us=20000000):
    """What begins now is slow, and what comes later is not."""
    clerk.ask(f'db 0 {query_us}')
    begin()
    until('the load runs', lambda: clerk.ask('db')['running'] == n_running)
    clerk.ask('db 0 1000')


def until_waited(node, n_waiting=1):
    until('the other one waits', lambda: node.stats()['loads_waited'] == n_waiting)


def load_and_wait(node, clerk, loader, waiter):
    in_a_slow_load(clerk, lambda: loader.send('get k'))
    waiter.send('get k')
    until_waited(node)


def the_processes_of_a_node_load_each_key_once():
    with herd(4) as (node, *apps):
        apps[0].ask(f'db 0 {QUERY_US}')
        everywhere(apps, f'sweep 2 {N_KEYS}')
        queries = apps[0].ask('db')['queries']
        print(f'# {len(apps)} processes, {N_KEYS} keys: {queries} queries')
        expect(N_KEYS <= queries <= N_KEYS * 1.1, f'{queries} queries')
        stats = node.stats()
        expect_equal(stats['loads_granted'], queries)
        expect(stats['loads_shared'] >= N_KEYS, f'{stats}')
        expect_equal(sum_of(apps, 'shared'), stats['loads_shared'])
        expect_equal(sum_of(apps, 'errors'), 0)
        # And each has them all.
        everywhere(apps, f'sweep 1 {N_KEYS}')
        expect_equal(apps[0].ask('db')['queries'], queries)


def without_the_option_each_process_loads_for_itself():
    with herd(4, is_shared=0) as (node, *apps):
        apps[0].ask(f'db 0 {QUERY_US}')
        everywhere(apps, f'sweep 2 {N_KEYS}')
        expect_equal(apps[0].ask('db')['queries'], 4 * N_KEYS)
        expect_equal(node.stats()['loads_granted'], 0)


def who_waits_for_a_process_that_dies_loads_itself():
    with herd(3) as (node, first, second, clerk):
        load_and_wait(node, clerk, first, second)
        first.kill()
        expect_equal(second.receive()['rc'], 0)
        stats = node.stats()
        expect_equal((stats['loads_handed_over'], stats['loads_granted']), (1, 2))


def who_waits_for_a_process_that_hangs_loads_itself_when_half_the_timeout_is_over():
    with herd(3, timeout_ms=4000) as (node, first, second, clerk):
        load_and_wait(node, clerk, first, second)
        first.pause()
        expect_equal(second.receive()['rc'], 0)
        expect_equal(node.stats()['loads_handed_over'], 1)
        first.kill()


def one_that_hangs_and_has_much_time_costs_another_process_half_of_its_own():
    with Mesh(LEASE_MS) as mesh:
        node, _ = mesh.start(2)
        first, clerk = open_apps(mesh, [node], 2, timeout_ms=120000)
        second, = open_apps(mesh, [node], 1, timeout_ms=4000)
        load_and_wait(node, clerk, first, second)
        first.pause()
        expect_equal(second.receive()['rc'], 0)
        expect_equal(node.stats()['loads_handed_over'], 1)
        first.kill()


def one_that_hangs_keeps_nobody_from_a_later_load():
    with herd(4, timeout_ms=4000) as (node, first, second, third, clerk):
        load_and_wait(node, clerk, first, second)
        first.pause()
        expect_equal(second.receive()['rc'], 0)
        node.meshctl('invalidate', '--region', 'keys', 'k', '--wait', 'node')
        granted = node.stats()['loads_granted']
        expect_equal(third.ask('get k')['rc'], 0)
        expect_equal(node.stats()['loads_granted'], granted + 1)
        first.kill()


def who_replaces_one_that_hangs_is_replaced_too_when_it_dies():
    with herd(4, timeout_ms=4000) as (node, first, second, third, clerk):
        in_a_slow_load(clerk, lambda: first.send('get k'))
        first.pause()
        in_a_slow_load(clerk, lambda: second.send('get k'), n_running=2)
        third.send('get k')
        until_waited(node, 2)
        second.kill()
        expect_equal(third.receive()['rc'], 0)  # with the first one alone to wait for, it would not end
        expect_equal(node.stats()['loads_handed_over'], 2)
        first.kill()


def who_waits_for_another_process_takes_no_turn():
    with herd(3, loads_max=1, timeout_ms=20000) as (node, first, second, clerk):
        in_a_slow_load(clerk, lambda: first.send('get k'))
        second.ask('hold k')
        until_waited(node)
        expect_equal(second.ask('get other')['rc'], 0)
        expect_equal((node.stats()['loads_handed_over'], second.ask('stats')['calls']), (0, 0))  # it still waits
        first.kill()
        expect_equal(second.ask('stop')['rc'], 0)
        expect_equal(second.ask('stats')['errors'], 0)


def who_has_no_turn_for_a_load_lets_another_process_load():
    with herd(3, loads_max=1, timeout_ms=60000) as (node, first, second, clerk):
        in_a_slow_load(clerk, lambda: first.ask('hold slow'), query_us=3000000)
        first.ask('hold k')
        until('it was asked for', lambda: node.stats()['loads_granted'] == 2)
        expect_equal(second.ask('get k')['rc'], 0)
        expect_equal(clerk.ask('db')['running'], 1)  # the slow one: not waited for
        expect_equal(first.ask('stop')['rc'], 0)
        expect_equal(clerk.ask('db')['queries'], 1)
        expect_equal([first.ask('stats')[name] for name in ('loads', 'shared', 'errors')], [1, 1, 0])


def who_waits_gets_the_error_too():
    with herd(3) as (node, *apps, clerk):
        clerk.ask('db 0 500000 dead')
        for app in apps:
            app.send('get k')
        expect_equal([app.receive()['rc'] for app in apps], [EIO, EIO])
        stats = node.stats()
        expect_equal((stats['loads_granted'], stats['loads_failed'], clerk.ask('db')['queries']), (1, 1, 1))


def without_a_meshd_that_answers_each_process_loads_for_itself_and_soon():
    with herd(1) as (node, app):
        app.ask('db 0 1000')
        expect_equal(app.ask('get k')['rc'], 0)
        node.pause()
        for i in range(20):  # the first one waits a little for an answer, and then nobody does
            expect_equal(app.ask(f'get stopped{i}', 3)['rc'], 0)
        node.resume()
        granted = node.stats()['loads_granted']
        until('loads are shared again', lambda: app.ask(f'get again{time.monotonic_ns()}')['rc'] == 0
              and node.stats()['loads_granted'] > granted)
        node.kill()
        for i in range(20):
            expect_equal(app.ask(f'get killed{i}', 3)['rc'], 0)


def mix(program='app', n_rows=64, seconds=6, has_faults=True):
    """Two apps on each node read and change one database, through loads that they share, while a meshd suffers."""
    with Mesh(LEASE_MS) as mesh:
        nodes = mesh.start(2)
        apps = [node.app(name=f'{node.name}-{i}', program=program, timeout_ms=2000).wait_mode('live')
                for node in nodes for i in range(2)]
        for app in apps:
            expect_equal(app.ask(f'db {mesh.directory}/db')['rc'], 0)
        for app in apps:
            app.send(f'mix shared 2 {n_rows} any {seconds * 1000} 0')
        if has_faults:
            time.sleep(seconds / 6)
            nodes[0].kill()
            nodes[0].start()
            time.sleep(seconds / 2)
            nodes[1].pause()
            time.sleep(seconds / 10)
            nodes[1].resume()
        answers = [app.receive(seconds + 30) for app in apps]
        mesh.wait_live()
        for answer in answers:
            print(f'# {answer}')
        print('# ' + str({name: value for name, value in nodes[1].stats().items() if name.startswith('loads_')}))
        expect(nodes[1].stats()['loads_shared'] > 0, 'nothing was shared, so nothing was tested')
        return answers


def what_another_process_loaded_is_never_older_than_a_write_that_had_returned():
    answers = mix()
    expect_equal([(a['stale'], a['stale_here'], a['read_errors']) for a in answers], [(0, 0, 0)] * len(answers))
    expect(all(a['hits'] > 0 and a['ok'] > 0 for a in answers), f'nothing was tested: {answers}')


def without_the_check_of_what_others_loaded_old_values_are_read_and_this_test_notices():
    answers = mix('app-share-unchecked', n_rows=2, seconds=3, has_faults=False)
    expect(sum(a['stale'] + a['stale_here'] for a in answers) > 0, 'no old value was read, so the test proves nothing')


def restart(nodes, apps):
    """All leases end, and all pages with them."""
    for node in nodes:
        node.kill()
    for app in apps:
        until('nobody serves', lambda one=app: one.ask('state')['mode'] == 'offline')
    for node in nodes:
        node.start()
    for app in apps:
        app.wait_mode('live')


def lapse(loads_max, is_shared):
    """All leases lapse and return, while all processes of three nodes ask, and once more before they ask."""
    with Mesh(LEASE_MS) as mesh:
        nodes = mesh.start(3)
        apps = open_apps(mesh, nodes, N_PROCESSES, loads_max=loads_max, is_shared=is_shared, stale_ms=3600000)
        clerk = open_app(mesh, nodes[0])
        clerk.ask('db 0 1000')
        everywhere(apps, f'sweep 2 {N_KEYS}')
        clerk.ask(f'db {CAPACITY} {QUERY_US}')
        everywhere(apps, f'start {N_THREADS} {N_KEYS}')
        restart(nodes, apps)
        everywhere(apps, 'stop')
        during = clerk.ask('db')
        restart(nodes, apps)
        clerk.ask(f'db 0 {QUERY_US}')
        everywhere(apps, f'sweep 4 {N_KEYS}')
        result = {'dead': during['is_dead'], 'at_once': during['running_max'], 'outage': during['queries'],
                  'queries': clerk.ask('db')['queries'],
                  **{name: sum_of(apps, name) for name in ('calls', 'loads', 'shared', 'busy', 'stale', 'errors')}}
        print(f'# {len(apps)} processes of {N_THREADS} threads on {len(nodes)} nodes, {N_KEYS} keys, '
              f'at most {loads_max} loads each: {result}')
        return result


def a_mass_lapse_does_not_kill_the_database():
    seen = lapse(loads_max=CAPACITY // (3 * N_PROCESSES), is_shared=1)
    expect_equal((seen['dead'], seen['errors']), (0, 0))
    expect(seen['at_once'] <= CAPACITY, f'{seen}')
    expect(3 * N_KEYS <= seen['queries'] <= 3 * N_KEYS * 1.5, f'not about one query for each key and node: {seen}')


def without_a_cap_and_shared_loads_it_does_and_this_test_notices():
    seen = lapse(loads_max=1000, is_shared=0)
    expect(seen['dead'] and seen['at_once'] > CAPACITY, f'the database bore it, so the test proves nothing: {seen}')
    expect(seen['stale'] > 0 and seen['errors'] == 0, f'not even the last values were given: {seen}')
    expect(seen['queries'] > 3 * N_KEYS * 1.5, f'so few queries without sharing prove nothing: {seen}')


if __name__ == '__main__':
    run([the_processes_of_a_node_load_each_key_once,
         without_the_option_each_process_loads_for_itself,
         who_waits_for_a_process_that_dies_loads_itself,
         who_waits_for_a_process_that_hangs_loads_itself_when_half_the_timeout_is_over,
         one_that_hangs_and_has_much_time_costs_another_process_half_of_its_own,
         one_that_hangs_keeps_nobody_from_a_later_load,
         who_replaces_one_that_hangs_is_replaced_too_when_it_dies,
         who_waits_for_another_process_takes_no_turn,
         who_has_no_turn_for_a_load_lets_another_process_load,
         who_waits_gets_the_error_too,
         without_a_meshd_that_answers_each_process_loads_for_itself_and_soon,
         what_another_process_loaded_is_never_older_than_a_write_that_had_returned,
         without_the_check_of_what_others_loaded_old_values_are_read_and_this_test_notices,
         a_mass_lapse_does_not_kill_the_database,
         without_a_cap_and_shared_loads_it_does_and_this_test_notices])
