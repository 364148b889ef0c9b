#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A node that is stopped in order takes leave: nobody forgets anything, nobody misses, nobody waits; also when all are restarted in turn."""
import os
import signal
import subprocess
import sys

from mesh import BUILD, DEADLINE_S, Mesh, expect, expect_equal, processes_with, run, spawn, until

WATCH_MS = 800
LEASE_MS = 3000  # so that a busy machine alone costs no lease


def a_stopped_node_has_left_and_costs_the_others_no_hit():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        nodes, apps = mesh.start_with_apps(3)
        stayers = list(zip(nodes[:2], apps[:2]))
        before = [node.stats() for node, _ in stayers]
        for _, app in stayers:
            expect_equal(app.ask('until r k stored 30000')['rc'], 0)
            app.send(f'last-hit r k {WATCH_MS}')
        took = nodes[2].stop()
        for _, app in stayers:
            seen = app.receive()
            expect(seen['hits'] > 0 and seen['misses'] == 0, f'{seen}')
        for (node, _), stats in zip(stayers, before):
            node.wait_peer(nodes[2], 'left')
            for name in ('forgot', 'lapses'):
                expect_equal((name, node.stats()[name]), (name, stats[name]))
        written = apps[0].ask('invalidate r k mesh')
        expect_equal((written['rc'], written['applied'], written['members']), (0, 1, ''))
        expect_equal(apps[2].ask('get r k')['rc'], 1)
        print(f'# stopped after {took:.3f} s')


def what_a_node_published_last_arrives_though_it_stops_at_once():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        for number in range(5):
            expect_equal(apps[1].ask(f'fill r k{number}- 0 1000')['stored'], 1000)
            apps[0].wait_mode('live')
            expect_equal(apps[0].ask(f'batch r k{number}- 0 1000 node 5000')['rc'], 0)
            nodes[0].stop()
            until('it has arrived', lambda one=number: apps[1].scan(f'r k{one}- 0 1000')['hits'] == 0)
            expect_equal(apps[1].scan(f'r k{number}- 0 1000')['invalidated'], 1000)
            nodes[0].start()
            mesh.wait_live()


def what_an_app_had_sent_before_it_ended_arrives_though_meshd_is_stopped_at_once():
    prefix = 'k' * 40 + '-'  # so that a turn does not read all of it
    with Mesh(lease_ms=LEASE_MS) as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[1].ask(f'fill r {prefix} 0 3000')['stored'], 3000)
        apps[0].ask('get r k')  # the region is to be open before
        forgot = nodes[1].stats()['forgot']
        nodes[0].pause()
        expect_equal(apps[0].ask(f'batch r {prefix} 0 3000 none 5000')['rc'], 0)
        apps[0].kill()
        nodes[0].process.terminate()
        nodes[0].resume()
        expect_equal(nodes[0].process.wait(DEADLINE_S), 0)
        apps[1].wait_mode('live')
        seen = apps[1].ask(f'scan r {prefix} 0 3000')
        expect_equal((seen['hits'], seen['invalidated'], nodes[1].stats()['forgot']), (0, 3000, forgot))


def a_rolling_restart_loses_no_change_and_makes_no_other_node_forget():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(3, {'gone_ms': 60000})
        for app in apps:
            app.ask(f'db {mesh.directory}/db')
        forgot = nodes[2].stats()['forgot']
        for app in apps:
            app.send('mix r 2 64 mesh 7000 0')
        for node in nodes:
            # Its own restart ends the count.
            expect_equal(nodes[2].stats()['forgot'], forgot)
            node.stop()
            node.start()
            mesh.wait_live()
        answers = [app.receive(40) for app in apps]
        for answer in answers:
            print(f'# {answer}')
        expect_equal([(a['stale'], a['stale_here'], a['error'], a['read_errors']) for a in answers], [(0, 0, 0, 0)] * 3)
        mesh.wait_live()
        mesh.wait_full_mesh()


def a_restart_in_order_continues_the_stream_and_nobody_forgets():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[1].ask('until r k stored 30000')['rc'], 0)
        expect_equal(apps[0].ask('publish r other 0 100 mesh')['ok'], 100)
        before, status = nodes[1].stats(), nodes[0].status()
        nodes[0].stop()
        nodes[0].start()
        mesh.wait_live()
        after = nodes[0].status()
        expect_equal((after['stream'], after['position'], after['id']), (status['stream'], 100, status['id']))
        expect(after['incarnation'] > status['incarnation'], f'{after}')
        expect_equal(nodes[1].stats()['forgot'], before['forgot'])
        expect_equal(apps[1].get('r k')['rc'], 0)


def nothing_is_left_after_an_orderly_end():
    with Mesh() as mesh:
        nodes, _ = mesh.start_with_apps(2)
        nodes[0].stop()
        expect(not os.path.exists(nodes[0].socket), 'the socket is left')
        directory = mesh.directory
    expect(not os.path.exists(directory), f'{directory} is left')
    expect_equal(processes_with(directory), [])


CHILD = '''
import sys
sys.path.insert(0, {folder!r})
from mesh import Mesh
with Mesh() as mesh:
    nodes, apps = mesh.start_with_apps(2)
    nodes[0].pause()
    print(mesh.directory, flush=True)
    sys.stdin.read()
'''


def left_by(end):
    """A test that is ended in the middle: the directory, and whether it is still there."""
    text = CHILD.format(folder=os.path.dirname(os.path.abspath(__file__)))
    child = spawn([sys.executable, '-B', '-c', text, BUILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    directory = child.stdout.readline().strip()
    expect(os.path.isdir(directory), f'no directory: {directory!r}')
    expect_equal(len(processes_with(directory)), 4)
    child.send_signal(end)
    child.wait(DEADLINE_S)
    child.stdin.close()
    child.stdout.close()
    until('no process is left', lambda: not processes_with(directory))
    return directory


def a_test_that_is_terminated_leaves_no_process_and_no_file():
    directory = left_by(signal.SIGTERM)
    expect(not os.path.exists(directory), f'{directory} is left')


def a_test_that_is_killed_leaves_no_process():
    directory = left_by(signal.SIGKILL)
    subprocess.run(['rm', '-rf', directory], check=True)


def sockets_of_a_killed_meshd_do_not_hinder_the_next_one():
    with Mesh() as mesh:
        node, = mesh.start(1)
        for _ in range(3):
            node.kill()
            expect(os.path.exists(node.socket), 'a killed meshd removed its socket')
            node.start()
            until('it answers', lambda: node.meshctl_status('version')[0] == 0)


if __name__ == '__main__':
    run([a_stopped_node_has_left_and_costs_the_others_no_hit,
         what_a_node_published_last_arrives_though_it_stops_at_once,
         what_an_app_had_sent_before_it_ended_arrives_though_meshd_is_stopped_at_once,
         a_restart_in_order_continues_the_stream_and_nobody_forgets,
         a_rolling_restart_loses_no_change_and_makes_no_other_node_forget,
         nothing_is_left_after_an_orderly_end,
         a_test_that_is_terminated_leaves_no_process_and_no_file,
         a_test_that_is_killed_leaves_no_process,
         sockets_of_a_killed_meshd_do_not_hinder_the_next_one])
