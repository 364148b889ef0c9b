#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each benchmark program runs, with tiny counts, and says what it should; how fast it is, is not judged here."""
import json
import os
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.join(sys.argv[1], 'tests', 'lint'))
from tap import expect, expect_equal, run  # noqa: E402 pylint: disable=wrong-import-position

PROGRAMS = os.path.join(BUILD, 'tests', 'bench')
SUITE = os.path.join(sys.argv[1], 'tests', 'bench', 'suite.py')
MESHCTL = os.path.join(BUILD, 'meshctl', 'meshctl')
MESHD = os.path.join(BUILD, 'meshd', 'meshd')
WITNESS = os.path.join(PROGRAMS, 'bench_meshd')


def bench(directory, name, *arguments):
    done = subprocess.run([os.path.join(PROGRAMS, 'bench_' + name), *arguments], capture_output=True, text=True,
                          timeout=200, check=False, env=os.environ | {'TMPDIR': directory})
    expect(done.returncode == 0, f'{name} {arguments}: {done.returncode} {done.stderr}')
    expect_equal(os.listdir(directory), [])
    return json.loads(done.stdout)


def measure(name, *arguments):
    with tempfile.TemporaryDirectory(prefix='b-', dir='/tmp') as directory:
        return bench(directory, name, *arguments)


def expect_plausible(seen):
    expect(0 < seen['p50_us'] <= seen['p99_us'] < seen['max_us'] + 1 < 5e6, f'{seen}')


def the_floors_are_measured():
    for way in ('unix', 'zmq', 'chain'):
        seen = measure('latency', way, '--count', '50')
        expect_equal((seen['way'], seen['count']), (way, 50))
        expect_plausible(seen)


def the_last_of_two_receivers_is_measured():
    seen = measure('latency', 'cachemesh', '--receivers', '2', '--count', '50', '--meshd', WITNESS, '--meshctl',
                   MESHCTL)
    expect_plausible(seen)


def owners_are_found_among_few_and_many():
    seen = measure('owners', '100')
    expect(0 < seen['ns_per_key']['8'] < seen['ns_per_key']['100'], f'{seen}')


def a_fixed_rate_is_measured():
    seen = measure('latency', 'cachemesh', '--count', '2000', '--rate', '20000', '--meshd', WITNESS, '--meshctl',
                   MESHCTL)
    expect_plausible(seen)


def a_waiting_call_is_measured():
    seen = measure('latency', 'cachemesh', '--count', '50', '--wait', '--meshd', MESHD, '--meshctl', MESHCTL)
    expect_equal(seen['way'], 'cachemesh-wait')


def keys_of_batches_and_single_calls_are_counted_at_the_receivers():
    for batch in ('64', '1'):
        seen = measure('throughput', 'cachemesh', '--batch', batch, '--seconds', '0.05', '--meshd', MESHD,
                       '--meshctl', MESHCTL)
        expect(seen['keys'] > 0 and seen['per_s'] > 0, f'{seen}')


def a_get_of_a_session_is_measured_beside_a_hit():
    seen = measure('session_get', MESHD, MESHCTL, '1', '4')
    expect(all(seen[name]['median'] > 0 for name in ('floor_ns', 'hit_ns', 'session_ns', 'ratio')), f'{seen}')


def each_way_of_a_shared_load_is_measured():
    seen = measure('load', MESHD, MESHCTL, '20')
    expect(all(0 < seen[kind + '_p50_us'] <= seen[kind + '_p99_us'] < 5e6 for kind in ('plain', 'led', 'kept', 'handed')),
           f'{seen}')


def hits_are_measured_with_one_thread_and_two():
    seen = measure('hit', '1', '1000')
    expect_equal(len(seen['runs']), 4)
    expect(all(one['ratio']['median'] > 0 and one['two_threads_over_one']['median'] > 0 for one in seen['runs']),
           f'{seen}')
    expect(all((one['hit_instructions'] > 0) == (one['floor_instructions'] > 0) for one in seen['runs']), f'{seen}')


def measure_instructions(path):
    with tempfile.TemporaryDirectory(prefix='b-', dir='/tmp') as directory:
        # The results go below what it takes for the build directory.
        for name in ('tests', 'meshd', 'meshctl'):
            os.symlink(os.path.join(BUILD, name), os.path.join(directory, name))
        done = subprocess.run([sys.executable, '-B', SUITE, directory, '--quick', 'instructions'], capture_output=True,
                              text=True, timeout=200, check=False, env=os.environ | {'PATH': path})
        expect_equal((done.returncode, done.stderr), (0, 'measuring instructions\n'))
        return done.stdout


def instructions_are_counted_or_it_is_said_why_not():
    seen = measure_instructions(os.environ['PATH'])
    expect(('cachemesh, all processes' in seen) != ('note: instructions were not counted: ' in seen), seen)
    with tempfile.TemporaryDirectory(prefix='b-', dir='/tmp') as directory:
        expect('note: instructions were not counted: there is no perf' in measure_instructions(directory), 'no note')
        with open(os.path.join(directory, 'perf'), 'w', encoding='utf-8') as script:
            script.write('#!/bin/sh\necho "<not supported>,,instructions:u,0,100.00,," >&2\n')
        os.chmod(script.name, 0o755)
        expect('not counted: perf is not permitted to' in measure_instructions(directory), 'no note')


class FakeMemcached(socketserver.StreamRequestHandler):
    """Enough of memcached: it stores what is set, one value a line, and gives it back."""

    def handle(self):
        values = {}
        for line in self.rfile:
            words = line.split()
            if words[0] == b'set':
                values[words[1]] = self.rfile.readline()
                if words[-1] != b'noreply':
                    self.wfile.write(b'STORED\r\n')
            else:
                value = values[words[1]]
                self.wfile.write(b'VALUE %s 0 %d\r\n%sEND\r\n' % (words[1], len(value) - 2, value))


def hits_are_compared_with_memcached():
    with tempfile.TemporaryDirectory(prefix='b-', dir='/tmp') as directory:
        path = os.path.join(directory, 'socket')
        with socketserver.UnixStreamServer(path, FakeMemcached) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            seen = measure('memcached', path, '1000', '2')
            server.shutdown()
    expect_equal(len(seen), 5)
    expect(all(one['memcached_ns'] > 0 and one['hit_ns'] > 0 for one in seen), f'{seen}')


def an_idle_node_is_measured():
    seen = measure('idle', MESHD, MESHCTL, '2', '0.2')
    expect(seen['rss_kib'] > 0 and seen['cpu_percent'] >= 0, f'{seen}')


def a_benchmark_that_is_ended_leaves_nothing_behind():
    with tempfile.TemporaryDirectory(prefix='b-', dir='/tmp') as directory:
        with subprocess.Popen([os.path.join(PROGRAMS, 'bench_idle'), MESHD, MESHCTL, '2', '60'],
                              env=os.environ | {'TMPDIR': directory}) as program:
            deadline = time.monotonic() + 30
            while len(os.listdir(directory)) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            program.send_signal(signal.SIGTERM)
            expect_equal(program.wait(30), 128 + signal.SIGTERM)
        expect_equal(os.listdir(directory), [])


def a_wrong_command_line_is_refused():
    for arguments in (['latency'], ['latency', 'unix', '--hosts', 'nowhere'], ['latency', 'pigeon'], ['throughput', 'unix'], ['idle'], ['load'], ['session_get'], ['memcached']):
        done = subprocess.run([os.path.join(PROGRAMS, 'bench_' + arguments[0]), *arguments[1:]],
                              capture_output=True, text=True, timeout=60, check=False)
        expect_equal(done.returncode, 1)
        expect('usage' in done.stderr, done.stderr)


run([
    the_floors_are_measured,
    the_last_of_two_receivers_is_measured,
    owners_are_found_among_few_and_many,
    a_fixed_rate_is_measured,
    a_waiting_call_is_measured,
    keys_of_batches_and_single_calls_are_counted_at_the_receivers,
    a_get_of_a_session_is_measured_beside_a_hit,
    each_way_of_a_shared_load_is_measured,
    hits_are_measured_with_one_thread_and_two,
    instructions_are_counted_or_it_is_said_why_not,
    hits_are_compared_with_memcached,
    an_idle_node_is_measured,
    a_benchmark_that_is_ended_leaves_nothing_behind,
    a_wrong_command_line_is_refused,
])
