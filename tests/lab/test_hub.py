#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lab's hub does to frames what it was told, in that direction only, as measured with plain sockets; and leaves nothing."""
import contextlib
import os
import random
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

from hosts import Network, expect, expect_equal, inside
from mesh import BUILD, DEADLINE_S, run, spawn, until

SEED = int(os.environ.get('CM_TEST_SEED', '0')) or random.SystemRandom().randrange(1, 1 << 32)
GROUP, GROUP_PORT = '239.255.67.81', 6790
N_FRAMES = 2000
SETTLE_S = 0.25  # nothing comes for so long: nothing more will come
SHARE_OFF = 0.03  # 2000 draws of a share of 0.2 lie within 0.2 +- 0.03 but once in a thousand


@contextlib.contextmanager
def two_hosts(seed=SEED):
    with Network(seed) as network:
        first, second = network.host(), network.host()
        with first.socket(socket.SOCK_DGRAM, first.address) as a, second.socket(socket.SOCK_DGRAM, second.address) as b:
            for s in (a, b):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            yield network, (first, a), (second, b)


def greet(a, b):
    """From now on both have each other's hardware address."""
    for source, target in ((a, b), (b, a)):
        source.sendto(b'greet', target.getsockname())
        expect_equal(target.recv(100), b'greet')


def send_numbered(a, b, n=N_FRAMES):
    """What arrived, in order; bursts small enough for every queue on the way."""
    seen = []
    for first in range(0, n, 50):
        for number in range(first, min(first + 50, n)):
            a.sendto(struct.pack('!I', number), b.getsockname())
        seen += receive_all(b, 0.002)
    return seen + receive_all(b, SETTLE_S)


def receive_all(s, settle_s):
    seen = []
    while select.select([s], [], [], settle_s)[0]:
        seen.append(struct.unpack('!I', s.recv(100))[0])
    return seen


def round_trips_ms(a, b, n):
    taken = []
    for _ in range(n):
        began = time.monotonic()
        a.sendto(b'ask', b.getsockname())
        _, asker = b.recvfrom(100)
        b.sendto(b'answer', asker)
        a.recv(100)
        taken.append(1000 * (time.monotonic() - began))
    return taken


def a_hub_without_rules_passes_every_frame_once_and_in_order():
    with two_hosts() as (_, (_, a), (_, b)):
        greet(a, b)
        expect_equal(send_numbered(a, b), list(range(N_FRAMES)))


def frames_are_late_by_the_delay_of_their_direction():
    with two_hosts() as (network, (first, a), (second, b)):
        greet(a, b)
        without = statistics.median(round_trips_ms(a, b, 20))
        network.path([first], [second], delay_ms=30)
        network.path([second], [first], delay_ms=10)
        taken = round_trips_ms(a, b, 20)
        print(f'# round trip {without:.2f} ms, with 30 + 10 ms of delay {min(taken):.1f} to {max(taken):.1f} ms')
        expect(40 <= min(taken), f'{taken}')
        expect(statistics.median(taken) < 40 + without + 10, f'{taken}')


def jitter_spreads_frames_and_keeps_their_order():
    with two_hosts() as (network, (_, a), (_, b)):
        greet(a, b)
        network.path(delay_ms=1, jitter_ms=20)
        taken = round_trips_ms(a, b, 50)
        print(f'# with 2 x (1 + 0..20) ms: {min(taken):.1f} to {max(taken):.1f} ms')
        expect(min(taken) >= 2 and max(taken) - min(taken) > 10, f'{taken}')
        expect_equal(send_numbered(a, b, 200), list(range(200)))


def the_share_that_was_asked_for_is_lost_in_that_direction_only():
    with two_hosts() as (network, (first, a), (second, b)):
        greet(a, b)
        network.path([first], [second], loss=0.2)
        seen = send_numbered(a, b)
        lost = 1 - len(seen) / N_FRAMES
        print(f'# lost {lost:.3f} of {N_FRAMES}: {network.count(first, second)}')
        expect(abs(lost - 0.2) < SHARE_OFF, f'lost {lost}')
        expect_equal(network.count(first, second)['lost'], N_FRAMES - len(seen))
        expect_equal(send_numbered(b, a), list(range(N_FRAMES)))


def the_share_that_was_asked_for_comes_twice():
    with two_hosts() as (network, (first, a), (second, b)):
        greet(a, b)
        network.path([first], [second], twice=0.2)
        seen = send_numbered(a, b)
        expect_equal(sorted(set(seen)), list(range(N_FRAMES)))
        expect(abs((len(seen) - N_FRAMES) / N_FRAMES - 0.2) < SHARE_OFF, f'{len(seen)} of {N_FRAMES}')


def reordered_frames_are_overtaken_and_none_is_missing():
    with two_hosts() as (network, (first, a), (second, b)):
        greet(a, b)
        network.path([first], [second], reorder=0.2, reorder_ms=3)
        seen = send_numbered(a, b)
        expect_equal(sorted(seen), list(range(N_FRAMES)))
        n_overtaken = sum(number < highest for number, highest in zip(seen, running_highest(seen)))
        n_held = network.count(first, second)['reordered']
        print(f'# {n_held} of {N_FRAMES} held back, {n_overtaken} overtaken')
        expect(abs(n_held / N_FRAMES - 0.2) < SHARE_OFF and n_overtaken > n_held / 2, f'{n_held}, {n_overtaken}')


def running_highest(numbers):
    highest = -1
    for number in numbers:
        highest = max(highest, number)
        yield highest


def lossy(seed):
    with two_hosts(seed) as (network, (first, a), (second, b)):
        greet(a, b)
        network.path([first], [second], loss=0.3, twice=0.1)
        return send_numbered(a, b, 500)


def one_seed_loses_the_same_frames_each_time_and_another_one_others():
    expect_equal(lossy(7), lossy(7))
    expect(lossy(7) != lossy(8), 'the seed does not matter')


def a_cut_holds_in_one_direction_until_it_is_mended():
    with two_hosts() as (network, (first, a), (second, b)):
        greet(a, b)
        network.cut([first], [second])
        expect_equal(send_numbered(a, b, 20), [])
        expect_equal(network.count(first, second)['cut'] >= 20, True)
        b.sendto(b'other way', a.getsockname())
        expect_equal(a.recv(100), b'other way')
        network.mend()
        greet(a, b)


def a_cut_takes_what_is_on_its_way():
    with two_hosts() as (network, (first, a), (second, b)):
        greet(a, b)
        network.path(delay_ms=300)
        a.sendto(b'on its way', b.getsockname())
        until('the hub has it', lambda: network.count(first, second)['passed'] >= 2)
        network.cut([first], [second])
        expect_equal(receive_all(b, 0.6), [])


def joined(host):
    with inside(host.namespace):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(DEADLINE_S)
        s.bind((GROUP, GROUP_PORT))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(host.address))
        return s


def multicast_reaches_every_host_of_the_segment_and_no_other():
    with Network(SEED) as network, contextlib.ExitStack() as stack:
        hosts = [network.host(segments=segments) for segments in ((0,), (0,), (0,), (1,))]
        ears = [stack.enter_context(joined(host)) for host in hosts[1:]]
        mouth = stack.enter_context(hosts[0].socket(socket.SOCK_DGRAM, hosts[0].address))
        # No interface is chosen: the route decides.
        mouth.sendto(b'all of you', (GROUP, GROUP_PORT))
        for ear in ears[:2]:
            expect_equal(ear.recv(100), b'all of you')
        expect_equal(select.select([ears[2]], [], [], 0.2)[0], [])


def tcp_carries_all_bytes_over_a_bad_network():
    data = random.Random(SEED).randbytes(300_000)
    with two_hosts() as (network, (first, _), (second, _)), contextlib.ExitStack() as stack:
        network.path(delay_ms=1, jitter_ms=1, loss=0.01, twice=0.02, reorder=0.05, reorder_ms=2)
        listener = stack.enter_context(second.socket(socket.SOCK_STREAM, second.address))
        listener.listen()
        client = stack.enter_context(first.socket(socket.SOCK_STREAM))
        client.connect(listener.getsockname())
        server = stack.enter_context(listener.accept()[0])
        server.settimeout(DEADLINE_S)
        client.setblocking(False)
        sent, seen, end = 0, b'', time.monotonic() + DEADLINE_S
        while len(seen) < len(data):
            expect(time.monotonic() < end, f'{len(seen)} of {len(data)} bytes in {DEADLINE_S} s')
            readable, writable, _ = select.select([server], [client] if sent < len(data) else [], [], 1)
            if writable:
                sent += client.send(data[sent:sent + 65536])
            if readable:
                seen += server.recv(65536)
        expect(seen == data, 'other bytes arrived')


def a_link_that_went_down_or_was_made_anew_carries_frames_again():
    with two_hosts() as (_, (first, a), (second, b)):
        greet(a, b)
        interface = second.interfaces[0]
        interface.down()
        interface.up()
        greet(a, b)
        interface.remove()
        interface.add()
        with second.socket(socket.SOCK_DGRAM, second.address) as c, first.socket(socket.SOCK_DGRAM, first.address) as d:
            # The new one has another hardware address, which the other host learns from the first frame.
            greet(c, d)


def the_hub_carries_ten_thousand_frames_a_second():
    with two_hosts() as (network, (first, a), (second, b)):
        greet(a, b)
        network.path(delay_ms=1)
        before = cpu_s(network.hub.pid)
        began = time.monotonic()
        n = 0
        while time.monotonic() < began + 1:
            for _ in range(100):
                a.sendto(b'x' * 100, b.getsockname())
            while select.select([b], [], [], 0)[0]:
                b.recv(200)
                n += 1
            time.sleep(0.002)  # the rate is what is tested
        took_s = time.monotonic() - began
        while select.select([b], [], [], 0.2)[0]:
            b.recv(200)
            n += 1
        used = cpu_s(network.hub.pid) - before
        print(f'# {n / took_s:.0f} frames/s with {100 * used / took_s:.0f} % of a core; {network.count(first, second)}')
        expect(n > 1000 and used < n / 10000 and network.count(first, second)['full'] == 0, f'{n} frames, {used} s')


def cpu_s(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def a_lab_whose_test_is_killed_leaves_no_process_and_no_namespace():
    program = ('import sys, time; sys.argv[1:] = [{!r}]; sys.path[:0] = {!r}\n'
               'from hosts import Network\nwith Network(1) as network:\n    network.host()\n'
               '    print(network.hub.pid, flush=True)\n    time.sleep(60)\n').format(BUILD, sys.path)
    process = spawn([sys.executable, '-B', '-c', program], stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stdout.readline, '')
        pid = next(int(line) for line in lines if not line.startswith('#'))
        inode = os.stat(f'/proc/{pid}/ns/net').st_ino
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    until('the hub has ended', lambda: not os.path.exists(f'/proc/{pid}'))
    expect(inode not in namespaces(), 'the namespace is left')


def namespaces():
    found = set()
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                found.add(os.stat(f'/proc/{entry}/ns/net').st_ino)
    return found


if __name__ == '__main__':
    run([a_hub_without_rules_passes_every_frame_once_and_in_order,
         frames_are_late_by_the_delay_of_their_direction,
         jitter_spreads_frames_and_keeps_their_order,
         the_share_that_was_asked_for_is_lost_in_that_direction_only,
         the_share_that_was_asked_for_comes_twice,
         reordered_frames_are_overtaken_and_none_is_missing,
         one_seed_loses_the_same_frames_each_time_and_another_one_others,
         a_cut_holds_in_one_direction_until_it_is_mended,
         a_cut_takes_what_is_on_its_way,
         multicast_reaches_every_host_of_the_segment_and_no_other,
         tcp_carries_all_bytes_over_a_bad_network,
         a_link_that_went_down_or_was_made_anew_carries_frames_again,
         the_hub_carries_ten_thousand_frames_a_second,
         a_lab_whose_test_is_killed_leaves_no_process_and_no_namespace])
