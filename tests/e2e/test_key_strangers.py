#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Strangers at the door of a mesh with a key, with raw bytes: what they send is bounded, ends soon, and reaches nobody."""
import contextlib
import os
import select
import socket
import struct
import time

from mesh import DEADLINE_S, Mesh, bound_quarantine, expect, expect_equal, read_text, run, sanitizers, until
from test_strangers import READY, zmtp_message

LEASE_MS = 3000  # so that a busy machine alone costs no lease
# Of 500 MiB that are announced. What ASan adds to each object makes 6 MiB of 1, and 7.5 of 2, with a quarantine of 1 MiB.
RSS_KIB_MAX = (24 if sanitizers() else 8) * 1024
QUARANTINE_MIB = 1
CLOSED_S = 10  # 3 where nobody else computes
N_IDLE = 500
N_FORGED = 100000
N_REPLAYED = 10000
LOG_BURST = 20
GROUP = '239.255.67.80'
MAC_SIZE = 32
MAC_SIZE_AT = 49
GIB = 1 << 30
MIB = 1 << 20
SILENCE = 0.2
UNTOUCHED = ('lapses', 'away', 'forgot', 'gaps', 'resets_received', 'mesh_malformed', 'mesh_unadmitted', 'dropped_malformed',
             'dropped_mesh', 'dropped_version', 'dropped_unknown_source', 'dropped_unknown_type')


def greeting(mechanism, as_server=0):
    """ZMTP 3.0 (RFC 23)."""
    return b'\xff' + bytes(8) + b'\x7f\x03\x00' + mechanism.ljust(20, b'\0') + bytes([as_server]) + bytes(31)


def announce(size, flags):
    return bytes([flags]) + struct.pack('>Q', size)


def rss_kib(node):
    return int(next(line.split()[1] for line in read_text(f'/proc/{node.process.pid}/status').splitlines()
                    if line.startswith('VmRSS')))


def cpu_s(node):
    fields = read_text(f'/proc/{node.process.pid}/stat').rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Place:
    """Two nodes with a key, whose apps hit; whatever is done to the first, they go on as before."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.key = mesh.key()
        self.nodes = mesh.start_keyed(2, self.key)
        self.apps = [node.app(name=f'app-{node.name}').wait_mode('live') for node in self.nodes]
        for app in self.apps:
            expect_equal(app.ask('until r k stored 30000')['rc'], 0)
        self.before = [node.stats() for node in self.nodes]
        self.rss = rss_kib(self.nodes[0])
        self.rss_most = self.rss

    def look(self, is_joining=False):
        self.rss_most = max(self.rss_most, rss_kib(self.nodes[0]))
        for app in self.apps:
            # Who meets a new stream forgets once.
            answer = app.ask('until r k stored 30000' if is_joining else 'get r k')
            expect(answer['rc'] == 0, f'{app.name}: no hit: {answer}')

    def counted(self, name, node=0):
        return self.nodes[node].stats()[name] - self.before[node][name]

    def expect_undisturbed(self, what, is_joining=False):
        self.look(is_joining)
        print(f'# {what}: RSS growth {self.rss_most - self.rss} KiB')
        expect(self.rss_most - self.rss <= RSS_KIB_MAX, 'too much memory')
        for number, node in enumerate(self.nodes):
            for name in UNTOUCHED:
                if is_joining and name == 'forgot':
                    continue
                expect_equal((node.name, name, self.counted(name, number)), (node.name, name, 0))
        expect_equal(self.apps[0].ask('invalidate r k mesh')['rc'], 0)
        self.nodes[0].meshctl('links', '--check', '--wait')

    def pour_until_closed(self, strangers, is_joining=False):
        """Send what each is given, again and again, until the other end has closed. Returns seconds until the last was."""
        began = time.monotonic()
        n_sent = 0
        for s, first, _ in strangers:
            with contextlib.suppress(OSError):
                s.sendall(first)
            s.setblocking(False)
        open_ones = {s: rest for s, _, rest in strangers}
        while open_ones:
            expect(time.monotonic() - began < DEADLINE_S, f'{len(open_ones)} are not closed')
            readable, writable, _ = select.select(list(open_ones), [s for s, rest in open_ones.items() if rest], [], SILENCE)
            for s in readable:
                with contextlib.suppress(BlockingIOError):
                    try:
                        data = s.recv(65536)
                    except ConnectionError:
                        data = b''
                    if not data:
                        open_ones.pop(s)
                        s.close()
            for s in writable:
                if s in open_ones:
                    with contextlib.suppress(OSError):
                        n_sent += s.send(open_ones[s])
            self.look(is_joining)
        return time.monotonic() - began, n_sent

    def strangers(self, n, first, rest=b''):
        return [(connect_tcp_to(self.listen()), first, rest) for _ in range(n)]

    def listen(self):
        if not hasattr(self, 'address'):
            host, port = self.nodes[0].status()['listen'].rsplit(':', 1)
            self.address = (host, int(port))  # pylint: disable=attribute-defined-outside-init
        return self.address


def connect_tcp_to(address):
    return socket.create_connection(address, timeout=DEADLINE_S)


def a_frame_of_a_gibibyte_is_not_waited_for():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        place = Place(mesh)
        for flags in (2, 6, 3):
            seconds, sent = place.pour_until_closed(place.strangers(
                10, greeting(b'CURVE') + announce(GIB, flags), bytes(MIB)))
            print(f'# 10 frames of 1 GiB announced with flags {flags}: closed after {seconds:.2f} s, {sent} bytes taken')
            expect(seconds <= CLOSED_S, 'not in time')
        place.expect_undisturbed('1 GiB announced 30 times')


def five_hundred_frames_of_a_mebibyte_are_not_kept():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        place = Place(mesh)
        seconds, sent = place.pour_until_closed(place.strangers(
            N_IDLE, greeting(b'CURVE') + announce(MIB, 2), bytes(65536)))
        print(f'# {N_IDLE} frames of 1 MiB: closed after {seconds:.2f} s, {sent} bytes taken')
        place.expect_undisturbed(f'{N_IDLE} x 1 MiB')


def five_hundred_idle_connections_end_while_a_node_joins():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        place = Place(mesh)
        address = place.listen()
        began = time.monotonic()
        strangers = [(connect_tcp_to(address), b'', b'') for _ in range(N_IDLE)]
        joined = mesh.keyed_node(place.key, peer='%s:%d' % address, multicast='off').start()
        seconds, _ = place.pour_until_closed(strangers, is_joining=True)
        joined.wait_peer(place.nodes[0], 'live')
        print(f'# {N_IDLE} idle connections: the last closed after {seconds:.2f} s; a node joined after '
              f'{time.monotonic() - began:.2f} s')
        expect(seconds <= CLOSED_S, 'not in time')
        expect(place.counted('mesh_accepted') >= N_IDLE, 'not all were taken in')
        place.expect_undisturbed(f'{N_IDLE} idle', is_joining=True)


def a_byte_now_and_then_does_not_keep_a_connection_open():
    with Mesh(lease_ms=LEASE_MS) as mesh:
        place = Place(mesh)
        data = greeting(b'CURVE')
        address = place.listen()
        strangers = {}
        for _ in range(50):
            s = connect_tcp_to(address)
            s.setblocking(False)
            strangers[s] = time.monotonic()
        longest = 0
        sent = 0
        while strangers:
            for s, began in list(strangers.items()):
                seconds = time.monotonic() - began
                expect(seconds < DEADLINE_S, f'{len(strangers)} are not closed')
                try:
                    s.send(data[sent % len(data):sent % len(data) + 1])
                    if s.recv(65536) == b'':
                        raise ConnectionError
                except BlockingIOError:
                    pass
                except ConnectionError:
                    s.close()
                    del strangers[s]
                    longest = max(longest, seconds)
            sent += 1
            place.look()
            select.select([], [], [], SILENCE)
        print(f'# 50 drips of a byte each {SILENCE} s: the last closed after {longest:.2f} s')
        expect(longest <= CLOSED_S, 'not in time')
        place.expect_undisturbed('drips')


def older_protocols_and_no_encryption_are_refused():
    frames = zmtp_message(b'x' * 60, b'y' * 60) * 20
    hello = b'\x04\x23\x05HELLO' + bytes(29)
    tries = {'NULL': greeting(b'NULL') + READY + frames,
             'NULL as server': greeting(b'NULL', 1) + READY + frames,
             'PLAIN': greeting(b'PLAIN') + b'\x04\x0d\x05HELLO\x03abc\x03def' + READY + frames,
             'GSSAPI': greeting(b'GSSAPI') + READY + frames,
             'an unknown mechanism': greeting(b'CURVE2') + hello + frames,
             'CURVE without its commands': greeting(b'CURVE') + READY + frames,
             'CURVE with a short HELLO': greeting(b'CURVE') + hello + READY + frames,
             'ZMTP 2.0': b'\xff' + bytes(8) + b'\x7f\x01\x05\x00\x00' + frames,
             'ZMTP 1.0': b'\x01\x00' + b'\x02\x00x' * 100 + b'\x3d\x01' + b'x' * 60 + b'\x3d\x00' + b'y' * 60,
             'no ZMTP': b'GET / HTTP/1.1\r\n\r\n' * 20}
    with Mesh(lease_ms=LEASE_MS) as mesh:
        place = Place(mesh)
        for name, data in tries.items():
            seconds, _ = place.pour_until_closed(place.strangers(3, data))
            print(f'# {name}: closed after {seconds:.2f} s')
            expect(seconds <= CLOSED_S, f'{name}: not in time')
        until('all are counted', lambda: place.counted('mesh_rejected') == 3 * len(tries))
        expect_equal(place.counted('mesh_handshaken'), 0)
        place.expect_undisturbed('0 frames to the core; downgrades')


class Group:
    """The mesh's multicast group, on loopback."""

    def __init__(self, mesh):
        self.port = mesh.port
        index = socket.if_nametoindex('lo')
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.ear.bind((GROUP, self.port))
        self.ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                            socket.inet_aton(GROUP) + socket.inet_aton('127.0.0.1') + struct.pack('i', index))
        self.ear.settimeout(DEADLINE_S)
        self.mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                              bytes(4) + socket.inet_aton('127.0.0.1') + struct.pack('i', index))

    def send(self, datagram):
        self.mouth.sendto(datagram, (GROUP, self.port))

    def collect(self, n, is_wanted=lambda datagram: True):
        found = []
        while len(found) < n:
            datagram = self.ear.recv(1000)
            if is_wanted(datagram):
                found.append(datagram)
        return found

    def close(self):
        self.ear.close()
        self.mouth.close()


def forge(beacon, number):
    """Another node, another place; the MAC of the real one, a random one, or none."""
    forged = bytearray(beacon)
    forged[16:32] = os.urandom(16)
    forged[54:56] = struct.pack('>H', 1024 + number % 30000)
    if number % 3 == 1:
        forged[-MAC_SIZE:] = os.urandom(MAC_SIZE)
    elif number % 3 == 2:
        forged[MAC_SIZE_AT] = 0
        del forged[-MAC_SIZE:]
    return bytes(forged)


def view_of(node):
    return sorted((row['name'], row['state'], row['address']) for row in node.json('peers')['peers'])


def forged_beacons_are_ignored():
    with Mesh(lease_ms=LEASE_MS) as mesh, contextlib.closing(Group(mesh)) as group:
        place = Place(mesh)
        node = place.nodes[0]
        beacon, = group.collect(1)
        forgeries = [forge(beacon, number) for number in range(1000)]
        view = view_of(node)
        lines = len(read_text(node.log).splitlines())
        cpu = cpu_s(node)
        began = time.monotonic()
        for number in range(N_FORGED):
            group.send(forgeries[number % len(forgeries)])
            if number % 5000 == 0:
                place.look()
        seconds = time.monotonic() - began
        until('they were looked at', lambda: place.counted('discovery_beacon_bad_seal') > 0)
        taken = place.counted('discovery_beacon_bad_seal')
        cpu = cpu_s(node) - cpu
        lines = len(read_text(node.log).splitlines()) - lines
        print(f'# {N_FORGED} forged beacons in {seconds:.1f} s: {taken} taken off the socket, {cpu / taken * 1e6:.1f} us of CPU '
              f'each, {lines} lines of log')
        for name in ('discovery_dials', 'mesh_dials', 'discovery_candidate_added'):
            expect_equal((name, place.counted(name)), (name, 0))
        expect(lines <= LOG_BURST + seconds + 2, 'too many lines')
        expect_equal(view_of(node), view)
        place.expect_undisturbed('forged beacons')


def replayed_beacons_change_nothing():
    with Mesh(lease_ms=LEASE_MS) as mesh, contextlib.closing(Group(mesh)) as group:
        place = Place(mesh)
        first, second = place.nodes
        second_id = bytes.fromhex(second.status()['id'].replace('-', ''))
        old = group.collect(2, lambda datagram: datagram[16:32] == second_id)
        second.stop()
        second.start().wait_socket()
        mesh.wait_live(place.nodes)
        incarnation = second.status()['incarnation']
        group.collect(1, lambda datagram: struct.unpack('>Q', datagram[32:40])[0] == incarnation)
        heard = first.stats()['discovery_received']
        until('the new one was heard', lambda: first.stats()['discovery_received'] > heard)
        view = view_of(first)
        names = ('discovery_dials', 'mesh_dials', 'mesh_hangups', 'discovery_candidate_added', 'lapses')
        before = first.stats()
        for number in range(N_REPLAYED):
            group.send(old[number % len(old)])
        until('they were looked at', lambda: first.stats()['discovery_candidate_replayed'] > 0)
        after = first.stats()
        print(f'# {N_REPLAYED} replayed: {after["discovery_candidate_replayed"]} known as old, '
              f'{after["discovery_candidate_limited"] - before["discovery_candidate_limited"]} over the rate')
        for name in names:
            expect_equal((name, after[name]), (name, before[name]))
        expect_equal(view_of(first), view)
        # A node that was restarted itself knows no counters: the worst is one dial to where nobody is.
        first.stop()
        first.start().wait_socket()
        mesh.wait_live(place.nodes)
        view = view_of(first)
        for number in range(N_REPLAYED):
            group.send(old[number % len(old)])
        mesh.wait_full_mesh(place.nodes)
        expect_equal(view_of(first), view)
        expect_equal(first.stats()['lapses'], 0)


if __name__ == '__main__':
    bound_quarantine(QUARANTINE_MIB)
    run([a_frame_of_a_gibibyte_is_not_waited_for,
         five_hundred_frames_of_a_mebibyte_are_not_kept,
         five_hundred_idle_connections_end_while_a_node_joins,
         a_byte_now_and_then_does_not_keep_a_connection_open,
         older_protocols_and_no_encryption_are_refused,
         forged_beacons_are_ignored,
         replayed_beacons_change_nothing])
