#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Apps whose meshd is killed, stopped or restarted at any moment of any call: a clear outcome in time, nothing lost, nothing old."""
import os
import random
import sys
import time

from mesh import SHORT_LEASE_MS, Mesh, expect, expect_equal, parse, run, until

SEED = int(os.environ.get('CM_TEST_SEED', '0')) or random.SystemRandom().randrange(1, 1 << 32)
TIMEOUT_MS = 1000
PATIENT_MS = 20000  # of calls that must succeed, in which a lease may lapse on a busy machine
NOISE_MS = 5000  # what a busy machine, or a sanitizer, adds to a deadline
MIX_S = 8
MIX_LONG_S = 60
CM_PENDING = 3


def strike(source, node):
    """One fault of one meshd, and its end."""
    fault = source.choice(['kill', 'stop', 'pause', 'short pause'])
    if fault == 'kill':
        node.kill()
        time.sleep(source.uniform(0, 0.5))
        node.start()
    elif fault == 'stop':
        node.wait_socket().stop()  # before that it cannot end in order
        node.start()
    else:
        node.pause()
        time.sleep(source.uniform(0.01, 0.1 if fault == 'short pause' else 4 * SHORT_LEASE_MS / 1000))
        node.resume()
    return fault


def mix(program, seconds, n_rows=64, has_faults=True):
    """Threads in an app on each of three nodes read and write one database while their meshd suffer."""
    print(f'# CM_TEST_SEED={SEED}')
    source = random.Random(SEED)
    with Mesh(SHORT_LEASE_MS) as mesh:
        nodes = mesh.start(3)
        apps = [node.app(name=f'app-{node.name}', program=program, timeout_ms=TIMEOUT_MS).wait_mode('live') for node in nodes]
        for app in apps:
            expect_equal(app.ask(f'db {mesh.directory}/db')['rc'], 0)
        end = time.monotonic() + seconds
        for app in apps:
            app.send(f'mix r 3 {n_rows} mesh {int(seconds * 1000)} 0')
        faults = []
        while has_faults and time.monotonic() < end - 1.5:
            faults.append(strike(source, source.choice(nodes)))
            time.sleep(source.uniform(0, 1))
        answers = [app.receive(seconds + 30) for app in apps]
        for answer in answers:
            print(f'# {answer}')
        print(f'# {len(faults)} faults: {faults}')
        mesh.wait_live()
        for node in nodes:
            node.meshctl('links', '--wait')
        for app in apps:
            app.wait_mode('live')
            until('nothing is pending', lambda one=app: one.ask('state')['pending'] == 0)
        mesh.wait_caught_up()
        return answers


def judge(answers):
    expect_equal([(a['stale'], a['stale_here']) for a in answers], [(0, 0)] * len(answers))
    expect_equal([(a['error'], a['read_errors']) for a in answers], [(0, 0)] * len(answers))
    for a in answers:
        expect(a['hits'] > 0 and a['ok'] > 0, f'nothing was tested: {a}')
        expect(a['longest_ms'] < TIMEOUT_MS + NOISE_MS, f'a write took {a["longest_ms"]} ms')
        expect(a['longest_read_ms'] < NOISE_MS, f'a read took {a["longest_read_ms"]} ms')


def threads_on_three_nodes_never_read_what_a_returned_write_replaced_while_meshd_die():
    judge(mix('app', MIX_S))


def threads_on_three_nodes_never_read_what_a_returned_write_replaced_for_a_minute():
    judge(mix('app', MIX_LONG_S))


def without_tokens_threads_do_read_old_values_and_this_test_notices():
    answers = mix('app-no-token', 3, n_rows=4, has_faults=False)
    expect(sum(a['stale'] + a['stale_here'] for a in answers) > 0, 'no old value was read, so the test proves nothing')


def wait_for_all(mesh, writer, reader):
    """What waited at the writer has arrived at the reader, who may serve."""
    until('nothing is pending', lambda: writer.ask('state')['pending'] == 0)
    mesh.wait_live()
    mesh.wait_caught_up()
    reader.wait_mode('live')


def two_nodes(mesh, timeout_ms=TIMEOUT_MS, **keywords):
    nodes = mesh.start(2)
    apps = [node.app(name=f'app-{node.name}', timeout_ms=timeout_ms, **keywords).wait_mode('live') for node in nodes]
    return nodes, apps


def in_time(answer):
    expect(answer.get('ms', answer.get('longest_ms')) < TIMEOUT_MS + NOISE_MS, f'{answer}')
    return answer


def changes_made_while_meshd_is_dead_arrive_when_it_is_back():
    with Mesh() as mesh:
        (first, second), (writer, reader) = two_nodes(mesh)
        first.kill()
        second.wait_peer(first, 'gone')
        reader.wait_mode('live')
        expect_equal(reader.ask('fill r k 0 1000')['stored'], 1000)
        written = in_time(writer.ask('publish r k 0 999 none'))
        expect_equal((written['pending'], written['error']), (999, 0))
        expect_equal(in_time(writer.ask('invalidate r k999 mesh'))['rc'], CM_PENDING)
        expect_equal(writer.ask('state')['pending'], 1000)
        writer.ask('load r own x')
        expect_equal(writer.ask('get r own')['rc'], 1)
        expect_equal(reader.scan('r k 0 1000')['hits'], 1000)
        first.start()
        wait_for_all(mesh, writer, reader)
        seen = reader.scan('r k 0 1000')
        expect_equal((seen['hits'], seen['invalidated']), (0, 1000))
        writer.wait_mode('live')
        expect_equal(writer.ask('until r own stored 30000')['rc'], 0)


def more_changes_than_the_queue_holds_become_whole_regions():
    with Mesh() as mesh:
        (first, second), (writer, reader) = two_nodes(mesh, pending_max=100)
        first.kill()
        second.wait_peer(first, 'gone')
        reader.wait_mode('live')
        expect_equal(reader.ask('fill r k 0 1000')['stored'], 1000)
        written = in_time(writer.ask('publish r k 0 1000 none'))
        expect_equal((written['pending'], written['error']), (1000, 0))
        first.start()
        wait_for_all(mesh, writer, reader)
        expect_equal(reader.ask('scan r k 0 1000')['hits'], 0)


def calls_to_a_stopped_meshd_end_in_time_and_arrive_later():
    with Mesh() as mesh:
        (first, second), (writer, reader) = two_nodes(mesh)
        expect_equal(writer.ask('until r own stored 30000')['rc'], 0)
        first.pause()
        second.wait_peer(first, 'gone')
        reader.wait_mode('live')
        expect_equal(reader.ask('fill r k 0 3')['stored'], 3)
        for number, level in enumerate(('none', 'node', 'mesh')):
            written = in_time(writer.ask(f'invalidate r k{number} {level}'))
            expect(written['rc'] in ((0, 3) if level == 'none' else (3, -1004)), f'{level}: {written}')
        expect_equal(writer.ask('get r own')['rc'], 1)
        expect_equal(reader.scan('r k 0 3')['hits'], 3)
        first.resume()
        wait_for_all(mesh, writer, reader)
        seen = reader.scan('r k 0 3')
        expect_equal((seen['hits'], seen['invalidated']), (0, 3))


def a_wait_whose_meshd_is_killed_ends_in_time_and_is_sent_again():
    with Mesh() as mesh:
        nodes = mesh.start(3)
        writer, reader, _ = [node.app(timeout_ms=TIMEOUT_MS).wait_mode('live') for node in nodes]
        nodes[2].pause()  # so the wait lasts
        expect_equal(reader.ask('fill r k 0 1')['stored'], 1)
        writer.send('invalidate r k0 mesh')
        nodes[0].kill()
        written = in_time(writer.receive())
        expect_equal(written['rc'], CM_PENDING)
        nodes[2].resume()
        nodes[0].start()
        wait_for_all(mesh, writer, reader)
        expect_equal(reader.ask('scan r k 0 1')['hits'], 0)


def closing_a_handle_whose_meshd_is_stopped_ends_in_time():
    with Mesh() as mesh:
        (first, _), (writer, _) = two_nodes(mesh)
        first.pause()
        writer.ask('publish r k 0 10 none')
        in_time(writer.ask('close'))
        first.resume()


def an_app_that_starts_before_its_meshd_is_live_once_that_is():
    with Mesh() as mesh:
        node = mesh.node(alone_ms=300)
        app = node.app(timeout_ms=TIMEOUT_MS)
        expect_equal(app.opened['rc'], 0)
        state = app.ask('state')
        expect_equal(state['mode'], 'offline')
        expect(len(str(state['reason'])) > 5, f'{state}')
        app.ask('load r k x')
        expect_equal(app.ask('get r k')['rc'], 1)
        expect_equal(in_time(app.ask('invalidate r k mesh'))['rc'], CM_PENDING)
        node.start()
        app.wait_mode('live')
        until('nothing is pending', lambda: app.ask('state')['pending'] == 0)
        expect_equal(app.ask('until r k stored 30000')['rc'], 0)


def in_child(app, *commands):
    """What a forked child answers to each."""
    line = app.ask_line('fork ' + ';'.join(command.replace(' ', '/') for command in commands))
    *answers, status = line.split(';')
    expect_equal(status, 'status=0')
    return [parse(answer) for answer in answers]


def a_forked_child_has_a_cache_and_a_connection_of_its_own():
    with Mesh() as mesh:
        (_, _), (app, reader) = two_nodes(mesh, PATIENT_MS)
        expect_equal(app.ask('load r parent x')['rc'], 0)
        expect_equal(reader.ask('load r k x')['rc'], 0)
        answers = in_child(app, 'get r parent', 'until r child stored 30000', 'get r child', 'invalidate r k mesh')
        expect_equal([a['rc'] for a in answers], [1, 0, 0, 0])
        expect_equal(answers[3]['applied'] + answers[3]['lapsed'], 1)
        expect_equal(app.get('r parent')['rc'], 0)
        expect_equal(app.ask('get r child')['rc'], 1)
        expect_equal(reader.get('r k')['reason'], 'invalidated')
        expect_equal(app.ask('invalidate r k mesh')['rc'], 0)


def children_forked_while_meshd_is_away_deliver_when_it_is_back_or_say_pending():
    with Mesh() as mesh:
        (first, _), (app, reader) = two_nodes(mesh, PATIENT_MS)
        first.kill()
        answers = in_child(app, 'get r k', 'invalidate r k mesh', 'state')
        expect_equal([a['rc'] for a in answers], [1, CM_PENDING, 0])
        expect_equal(answers[2]['pending'], 1)
        expect_equal(app.ask('state')['pending'], 0)
        first.start()
        mesh.wait_live()
        app.wait_mode('live')
        expect_equal(reader.wait_mode('live').ask('until r k stored 30000')['rc'], 0)
        answers = in_child(app, 'until r own stored 30000', 'invalidate r k mesh')
        expect_equal([a['rc'] for a in answers], [0, 0])
        expect_equal(reader.ask('get r k')['rc'], 1)


def children_forked_beside_a_busy_thread_work_and_the_thread_goes_on():
    with Mesh() as mesh:
        (_, _), (app, reader) = two_nodes(mesh, PATIENT_MS)
        app.ask('pump-start r load mesh')
        for number in range(10):
            expect_equal(reader.ask(f'until r k{number} stored 30000')['rc'], 0)
            answers = in_child(app, f'until r own{number} stored 30000', f'invalidate r k{number} mesh')
            expect_equal([a['rc'] for a in answers], [0, 0])
            expect_equal(reader.ask(f'get r k{number}')['rc'], 1)
        pumped = app.ask('pump-stop')
        print(f'# beside {pumped}')
        expect_equal((pumped['error'], pumped['pending'], pumped['timeout']), (0, 0, 0))
        expect(pumped['ok'] > 0, f'{pumped}')


if __name__ == '__main__':
    if 'long' in sys.argv[2:]:
        run([threads_on_three_nodes_never_read_what_a_returned_write_replaced_for_a_minute])
    else:
        run([threads_on_three_nodes_never_read_what_a_returned_write_replaced_while_meshd_die,
             without_tokens_threads_do_read_old_values_and_this_test_notices,
             changes_made_while_meshd_is_dead_arrive_when_it_is_back,
             more_changes_than_the_queue_holds_become_whole_regions,
             calls_to_a_stopped_meshd_end_in_time_and_arrive_later,
             a_wait_whose_meshd_is_killed_ends_in_time_and_is_sent_again,
             closing_a_handle_whose_meshd_is_stopped_ends_in_time,
             an_app_that_starts_before_its_meshd_is_live_once_that_is,
             a_forked_child_has_a_cache_and_a_connection_of_its_own,
             children_forked_while_meshd_is_away_deliver_when_it_is_back_or_say_pending,
             children_forked_beside_a_busy_thread_work_and_the_thread_goes_on])
