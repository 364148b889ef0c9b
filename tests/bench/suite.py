#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the benchmark programs in alternating rounds, judge medians against targets, keep everything as JSON."""
import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from peers import Peers, die_with_parent

NAMES = ['hit', 'session', 'load', 'latency', 'instructions', 'wait', 'rate', 'throughput', 'idle', 'memcached']
NAMES_ON_REQUEST = ['scale', 'lab']
RECEIVERS = [1, 3, 7]
PROGRAM_S = 180
RATE = 100000
REDIS_THROUGHPUT = {1: 6, 3: 5, 7: 2}
REDIS_RATE = {1: 0.8, 3: 0.9, 7: 1.1}
SCALES = [50, 100]
HOP_MS = 1
NEEDS_PEERS = 'only with --peers'
PERF = ['perf', 'stat', '-x,', '-e', 'instructions:u']


class Suite:
    """What was measured, by name; and how to measure once more."""

    def __init__(self, build, is_quick, peers):
        self.build = build
        self.is_quick = is_quick
        self.peers = peers
        self.results = []
        self.figures = []
        self.notes = []

    def program(self, name):
        return os.path.join(self.build, 'tests', 'bench', 'bench_' + name)

    def run(self, name, *arguments, under=()):
        """One run of a program: its JSON, which is also kept."""
        command = [*under, self.program(name), *map(str, arguments)]
        load = os.getloadavg()[0]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              timeout=PROGRAM_S, check=False, preexec_fn=die_with_parent)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}")
        seen = json.loads(done.stdout)
        self.results.append({'program': name, 'arguments': list(map(str, arguments)), 'load': load, 'result': seen})
        return seen

    def daemons(self, program=None):
        return ['--meshd', program or os.path.join(self.build, 'meshd', 'meshd'),
                '--meshctl', os.path.join(self.build, 'meshctl', 'meshctl')]

    def latency(self, way, receivers, *more, under=()):
        server = []
        if self.peers:
            server = ['--address', self.peers.nats_port if way == 'nats' else self.peers.redis_port,
                      '--local', self.peers.redis_socket]
        return self.run('latency', way, '--receivers', receivers, *self.daemons(self.program('meshd')), *server, *more,
                        under=under)

    def instructions(self, way, receivers, count):
        """In user space, of all processes of a run of so many operations."""
        with tempfile.NamedTemporaryFile('r', encoding='utf-8') as counted:
            self.latency(way, receivers, '--count', count, under=[*PERF, '-o', counted.name])
            return read_count(counted.read())

    @contextlib.contextmanager
    def key(self):
        """Each meshd has a mesh key meanwhile, without which it would not leave its host."""
        if 'MESHD_KEY' in os.environ:
            yield
            return
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'key')
            subprocess.run([os.path.join(self.build, 'meshctl', 'meshctl'), 'key', 'new', path, '-q'], check=True)
            os.environ['MESHD_KEY'] = path
            try:
                yield
            finally:
                del os.environ['MESHD_KEY']

    def throughput(self, way, receivers, *more):
        server = []
        if self.peers:
            server = ['--address', self.peers.nats_port if way == 'nats' else self.peers.redis_port,
                      '--local', self.peers.redis_socket]
        return self.run('throughput', way, '--receivers', receivers, *self.daemons(), *server, *more)

    def figure(self, name, samples, unit, target=None, bound=None, why_not=None):
        """@target: what is to be reached, as text; @bound: the same as a function of the median."""
        if not samples:
            self.figures.append({'name': name, 'unit': unit, 'target': target, 'why_not': why_not})
            return
        self.summary(name, {'median': statistics.median(samples), 'min': min(samples), 'max': max(samples)}, unit,
                     target, bound)

    def summary(self, name, summary, unit, target=None, bound=None):
        """The same for a program that has made its rounds itself."""
        self.figures.append({'name': name, **summary, 'unit': unit, 'target': target,
                             'is_met': bound(summary['median']) if bound else None})


def read_count(text):
    """What `perf stat -x,` has counted; None: nothing."""
    counts = [line.split(',')[0] for line in text.splitlines() if 'instructions' in line]
    return int(counts[0]) if counts and counts[0].isdigit() else None


def why_uncounted():
    """Why perf counts no instructions here; '' if it does."""
    if not shutil.which(PERF[0]):
        return 'there is no perf'
    done = subprocess.run([*PERF, 'true'], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 or read_count(done.stderr) is None:
        return 'perf is not permitted to, or the processor does not tell it'
    return ''


def at_most(limit):
    return lambda value: value <= limit


def at_least(limit):
    return lambda value: value >= limit


def each(rounds, *keys):
    """The samples of one key path over the rounds; [] if it was not measured."""
    found = []
    for one in rounds:
        for key in keys:
            one = one.get(key) if one else None
        if one is not None:
            found.append(one)
    return found


def measure_latency(suite, rounds):
    count = 300 if suite.is_quick else 10000
    for n in RECEIVERS:
        seen = []
        for _ in range(rounds):
            one = {'unix': suite.latency('unix', 1, '--count', count),
                   'zmq': suite.latency('zmq', n, '--count', count),
                   'chain': suite.latency('chain', n, '--count', count),
                   'cachemesh': suite.latency('cachemesh', n, '--count', count)}
            if suite.peers:
                one['redis'] = suite.latency('redis', n, '--count', count)
                one['nats'] = suite.latency('nats', n, '--count', count)
            one['floor'] = one['unix']['p50_us'] + one['zmq']['p50_us']
            one['ratio'] = one['cachemesh']['p50_us'] / one['floor']
            one['ratio99'] = one['cachemesh']['p99_us'] / one['floor']
            seen.append(one)
        what = f'closed loop, {n} peers: '
        for way in ('unix', 'zmq', 'chain', 'redis', 'nats', 'cachemesh'):
            suite.figure(f'{what}{way} p50', each(seen, way, 'p50_us'), 'us', why_not=NEEDS_PEERS)
        suite.figure(what + 'p50 / floors', each(seen, 'ratio'), 'x', '<= 1.5', at_most(1.5))
        suite.figure(what + 'p99 / floors', each(seen, 'ratio99'), 'x', '<= 3', at_most(3))


def measure_instructions(suite, rounds):
    """Of one operation: what a longer run takes more than a shorter one. Both start and end the same processes."""
    why = why_uncounted()
    if why:
        suite.notes.append(f'instructions were not counted: {why}')
        return
    few, many = (50, 150) if suite.is_quick else (2000, 12000)
    for n in RECEIVERS[:1] if suite.is_quick else RECEIVERS:
        seen = []
        for _ in range(min(rounds, 3)):
            one = {}
            for way, receivers in (('unix', 1), ('zmq', n), ('chain', n), ('cachemesh', n)):
                counts = [suite.instructions(way, receivers, count) for count in (few, many)]
                one[way] = (counts[1] - counts[0]) / (many - few)
            seen.append(one)
        for way in ('unix', 'zmq', 'chain', 'cachemesh'):
            suite.figure(f'closed loop, {n} peers: {way}, all processes', each(seen, way), 'instructions')


def measure_rate(suite, rounds):
    count = 2000 if suite.is_quick else 200000
    for n in RECEIVERS:
        seen = []
        for _ in range(rounds):
            ways = ['chain', 'cachemesh'] + (['redis', 'nats'] if suite.peers else [])
            one = {way: suite.latency(way, n, '--count', count, '--rate', RATE) for way in ways}
            if suite.peers:
                one['ratio'] = one['cachemesh']['p50_us'] / one['redis']['p50_us']
            seen.append(one)
        what = f'100,000/s, {n} peers: '
        for way in ('chain', 'redis', 'nats', 'cachemesh'):
            suite.figure(f'{what}{way} p50', each(seen, way, 'p50_us'), 'us', why_not=NEEDS_PEERS)
        suite.figure(f'{what}cachemesh p99', each(seen, 'cachemesh', 'p99_us'), 'us')
        suite.figure(f'{what}rate reached', each(seen, 'cachemesh', 'per_s'), '/s')
        suite.figure(what + 'p50 / redis', each(seen, 'ratio'), 'x', f'<= {REDIS_RATE[n]}', at_most(REDIS_RATE[n]),
                     NEEDS_PEERS)


def measure_wait(suite, rounds):
    count = 300 if suite.is_quick else 5000
    for n in RECEIVERS:
        seen = [suite.latency('cachemesh', n, '--count', count, '--wait') for _ in range(rounds)]
        suite.figure(f'CM_WAIT_MESH, {n} peers: round trip p50', each(seen, 'p50_us'), 'us')
        suite.figure(f'CM_WAIT_MESH, {n} peers: round trip p99', each(seen, 'p99_us'), 'us')


def measure_throughput(suite, rounds):
    seconds = 0.1 if suite.is_quick else 2
    for n in RECEIVERS:
        seen = []
        for _ in range(rounds):
            one = {'cachemesh': suite.throughput('cachemesh', n, '--seconds', seconds)}
            if suite.peers:
                one['redis'] = suite.throughput('redis', n, '--seconds', seconds)
                one['nats'] = suite.throughput('nats', n, '--seconds', seconds)
                one['ratio'] = one['cachemesh']['per_s'] / one['redis']['per_s']
            seen.append(one)
        what = f'batches of 64, {n + 1} nodes: '
        for way in ('cachemesh', 'redis', 'nats'):
            suite.figure(what + way, each(seen, way, 'per_s'), 'keys/s', why_not=NEEDS_PEERS)
        suite.figure(what + 'cachemesh / redis', each(seen, 'ratio'), 'x', f'>= {REDIS_THROUGHPUT[n]}',
                     at_least(REDIS_THROUGHPUT[n]), NEEDS_PEERS)
    seen = [suite.throughput('cachemesh', 1, '--seconds', seconds, '--batch', 1) for _ in range(rounds)]
    suite.figure('one call per key, 2 nodes', each(seen, 'per_s'), 'keys/s', '>= 500000', at_least(500000))


def measure_idle(suite, rounds):
    peers, seconds = (4, 1) if suite.is_quick else (50, 10)
    seen = [suite.run('idle', *suite.daemons()[1::2], peers, seconds) for _ in range(min(rounds, 3))]
    suite.figure(f'idle, {peers} peers: processor', each(seen, 'cpu_percent'), '% of a core', '<= 1', at_most(1))
    memory = [(one['rss_kib'] - one['shmem_kib']) / 1024 for one in seen]
    suite.figure(f'idle, {peers} peers: memory beside the page', memory, 'MiB', '<= 24', at_most(24))


def measure_scale(suite, rounds):
    """Whole meshes on one machine: what is measured is as much the machine, which runs all nodes."""
    count, seconds = (20, 1) if suite.is_quick else (300, 10)
    for n in [5] if suite.is_quick else SCALES:
        seen = []
        for _ in range(min(rounds, 3)):
            one = suite.run('idle', *suite.daemons()[1::2], n - 1, seconds)
            one['memory_mib'] = (one['rss_kib'] - one['shmem_kib']) / 1024
            one['latency'] = suite.latency('cachemesh', n - 1, '--count', count)
            one['wait'] = suite.latency('cachemesh', n - 1, '--count', count, '--wait')
            seen.append(one)
        what = f'{n} nodes: '
        suite.figure(what + 'all but one started at once, until all see all', each(seen, 'whole_s'), 's')
        suite.figure(what + 'one more, until all see all', each(seen, 'join_s'), 's')
        suite.figure(what + 'idle, processor', each(seen, 'cpu_percent'), '% of a core', '<= 2', at_most(2))
        suite.figure(what + 'idle, memory beside the page', each(seen, 'memory_mib'), 'MiB', '<= 32', at_most(32))
        suite.figure(what + 'one invalidation to all, p50', each(seen, 'latency', 'p50_us'), 'us')
        suite.figure(what + 'CM_WAIT_MESH, p50', each(seen, 'wait', 'p50_us'), 'us')


def measure_lab(suite, rounds):
    """Each process on a host of its own, and a network that takes a millisecond from one to the next."""
    # Only here: it needs root, and sees to signals itself.
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lab'))
    from hosts import Network, path_of  # pylint: disable=import-outside-toplevel,import-error
    count = 100 if suite.is_quick else 1000
    ways = ['cachemesh'] + (['redis', 'nats'] if suite.peers else [])
    for n in RECEIVERS:
        seen = []
        for _ in range(rounds):
            one = {}
            for way in ways:
                # The server of redis and nats is the last host.
                # It prints its seed.
                with contextlib.redirect_stdout(sys.stderr), Network(1) as network:
                    hosts = [network.host() for _ in range(n + 2)]
                    network.path(delay_ms=HOP_MS)
                    named = ','.join(f'{path_of(host.namespace)}={host.address}' for host in hosts[:-1])
                    with suite.peers.on_host(hosts[-1], way) if way != 'cachemesh' else suite.key():
                        one[way] = suite.run(
                            'latency', way, '--receivers', n, '--count', count, '--hosts', named,
                            *suite.daemons(suite.program('meshd')),
                            *(['--address', f'{hosts[-1].address}:{suite.peers.PORT}'] if way != 'cachemesh' else []))
            for way in ways[1:]:
                one['ratio_' + way] = one['cachemesh']['p50_us'] / one[way]['p50_us']
            seen.append(one)
        what = f'{HOP_MS} ms from host to host, {n} peers: '
        for way in ('redis', 'nats', 'cachemesh'):
            suite.figure(f'{what}{way} p50', each(seen, way, 'p50_us'), 'us', why_not=NEEDS_PEERS)
        for way in ('redis', 'nats'):
            suite.figure(f'{what}p50 / {way}', each(seen, 'ratio_' + way), 'x', '<= 0.6', at_most(0.6), NEEDS_PEERS)


def measure_hit(suite, rounds):
    runs = suite.run('hit', rounds, *(['1000'] if suite.is_quick else []))['runs']
    if not all(run['hit_instructions'] for run in runs):
        suite.notes.append('instructions of hits were not counted: the kernel does not permit it, or cannot')
    for run in runs:
        limit = 1.5 if run['keys'] in ('1k hot', '10k Zipf') else 1.3
        what = f"hit, {run['keys']}: "
        suite.summary(what + 'floor', run['floor_ns'], 'ns')
        suite.summary(what + 'hit', run['hit_ns'], 'ns')
        suite.summary(what + 'hit / floor', run['ratio'], 'x', f'<= {limit}', at_most(limit))
        for name in ('floor', 'hit'):
            suite.figure(what + name, [run[name + '_instructions']] if run[name + '_instructions'] else [], 'instructions')
        suite.summary(what + 'floor in huge pages', run['floor_huge_ns'], 'ns')
        suite.summary(what + 'hit / floor in huge pages', run['ratio_huge'], 'x')
        suite.summary(what + 'two threads / one', run['two_threads_over_one'], 'x', '>= 1.9', at_least(1.9))


def measure_session(suite, rounds):
    """A session that this process has a copy of, beside a hit of the cache on the same handle."""
    seen = suite.run('session_get', *suite.daemons()[1::2], rounds, 5 if suite.is_quick else 400)
    for name in ('floor', 'hit', 'session'):
        suite.summary(f'get of a session: {name}', seen[name + '_ns'], 'ns')
    suite.summary('get of a session / hit', seen['ratio'], 'x', '<= 2', at_most(2))


def measure_load(suite, rounds):
    """What it adds to a miss that the processes of a node share their loads; the loaders themselves take no time."""
    count = 50 if suite.is_quick else 2000
    seen = [suite.run('load', *suite.daemons()[1::2], count) for _ in range(rounds)]
    for one in seen:
        one['added_us'] = one['led_p50_us'] - one['plain_p50_us']
    what = 'a miss, '
    suite.figure(what + 'not shared: p50', each(seen, 'plain_p50_us'), 'us')
    for kind, name in (('led', 'loaded here'), ('kept', 'loaded by another process before'),
                       ('handed', 'from the end of another process\'s loader')):
        suite.figure(f'{what}shared, {name}: p50', each(seen, kind + '_p50_us'), 'us')
        suite.figure(f'{what}shared, {name}: p99', each(seen, kind + '_p99_us'), 'us')
    suite.figure('what sharing adds to a load: p50', each(seen, 'added_us'), 'us')


def measure_memcached(suite, rounds):
    gets = 5 if suite.is_quick else 200
    for keys, limit in ((10000, 100), (20000 if suite.is_quick else 1000000, 20)):
        what = f'GET of memcached, {keys} keys'
        seen = []
        if suite.peers:
            for _ in range(max(1, rounds // 5)):
                seen += suite.run('memcached', suite.peers.memcached_socket, keys, gets)
        suite.figure(what, each(seen, 'memcached_ns'), 'ns', why_not=NEEDS_PEERS)
        suite.figure(what + ': hit here', each(seen, 'hit_ns'), 'ns', why_not=NEEDS_PEERS)
        suite.figure(what + ' / hit', each(seen, 'ratio'), 'x', f'>= {limit}', at_least(limit), NEEDS_PEERS)


def number(value):
    return f'{value:,.0f}' if value >= 1000 else f'{value:.3g}'


def print_table(figures):
    width = max(len(figure['name']) for figure in figures)
    for figure in figures:
        if 'median' not in figure:
            if figure['target']:
                print(f"{figure['name']:{width}}  -  target {figure['target']}: {figure['why_not']}")
            continue
        spread = f"({number(figure['min'])} to {number(figure['max'])})"
        verdict = ''
        if figure['is_met'] is not None:
            verdict = f"{figure['target']:>12}  {'met' if figure['is_met'] else 'MISSED'}"
        print(f"{figure['name']:{width}}  {number(figure['median']):>10} {figure['unit']:11} {spread:26}{verdict}")


def print_markdown(figures):
    """The same for docs/benchmarks.md."""
    print('| figure | median | spread | target | |')
    print('|---|---|---|---|---|')
    for figure in figures:
        if 'median' in figure:
            verdict = {True: 'met', False: '**missed**', None: ''}[figure['is_met']]
            print(f"| {figure['name']} | {number(figure['median'])} {figure['unit']} | {number(figure['min'])} to "
                  f"{number(figure['max'])} | {figure['target'] or ''} | {verdict} |")


def processor():
    with open('/proc/cpuinfo', encoding='utf-8') as info:
        names = [line.split(':', 1)[1].strip() for line in info if line.startswith('model name')]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def write(suite, options, load_before):
    directory = os.path.join(suite.build, 'bench')
    os.makedirs(directory, exist_ok=True)
    document = {
        'schema': 'cachemesh.bench/1', 'unix_time': int(time.time()), 'names': options.names, 'rounds': options.rounds,
        'is_quick': options.quick, 'has_key': options.key, 'processor': processor(), 'kernel': platform.release(),
        'load_before': load_before, 'load_after': os.getloadavg(),
        'peers': suite.peers.versions() if suite.peers else None,
        'figures': suite.figures, 'notes': suite.notes, 'runs': suite.results,
    }
    path = os.path.join(directory, time.strftime('%Y%m%d-%H%M%S.json'))
    with open(path, 'w', encoding='utf-8') as out:
        json.dump(document, out, indent=1)
        out.write('\n')
    return path


def parse():
    parser = argparse.ArgumentParser(prog='suite.py')
    parser.add_argument('build')
    parser.add_argument('--peers', action='store_true')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--key', action='store_true')
    parser.add_argument('--markdown', action='store_true')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('names', nargs='*')
    options = parser.parse_intermixed_args()
    options.names = options.names or NAMES
    if options.quick:
        options.rounds = 1
    if options.rounds < 1 or not set(options.names) <= {*NAMES, *NAMES_ON_REQUEST}:
        parser.error('no such benchmark')
    return options


def measure(options, peers):
    suite = Suite(options.build, options.quick, peers)
    load_before = os.getloadavg()
    print(f'{processor()}, load average {load_before[0]:.1f}', flush=True)
    try:
        with suite.key() if options.key else contextlib.nullcontext():
            for name in options.names:
                print(f'measuring {name}', file=sys.stderr, flush=True)
                globals()['measure_' + name](suite, options.rounds)
    finally:
        path = write(suite, options, load_before)
    if suite.figures:
        (print_markdown if options.markdown else print_table)(suite.figures)
    for note in suite.notes:
        print(f'note: {note}')
    print(f'load average afterwards {os.getloadavg()[0]:.1f}; all results: {path}')


def on_signal(which, unused):
    sys.exit(128 + which)


def main():
    options = parse()
    for which in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(which, on_signal)
    # A Unix socket's name is short, so not below a long $TMPDIR.
    directory = tempfile.mkdtemp(prefix='cm-bench-', dir='/tmp')
    os.environ['TMPDIR'] = directory
    try:
        with Peers(directory) if options.peers else contextlib.nullcontext() as peers:
            measure(options, peers)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f'tests/bench/run: {error}', file=sys.stderr)
        sys.exit(1)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == '__main__':
    main()
