# SPDX-License-Identifier: MIT
"""Hosts of the lab: network namespaces that only a hub joins, without a way out.

A namespace has no name: it lives as long as a descriptor of this process, or a process in it. So nothing is left when the test is
killed, and nobody else's namespaces can be met. The hub (hub.c) runs in one of its own, and has one end of each veth pair.
"""
import contextlib
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
# pylint: disable=wrong-import-position
from mesh import BUILD, DEADLINE_S, Skip, expect, expect_equal, libc, parse, read_text, spawn  # noqa: E402

CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
# ETHTOOL_STXCSUM, SSG, STSO, SGSO, SGRO: what a frame socket would see unfinished or joined
OFFLOADS = (0x17, 0x19, 0x1f, 0x24, 0x2c)


def own_namespace():
    return os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)


def enter(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), 'setns')


@contextlib.contextmanager
def inside(namespace):
    """This process is in another namespace for a moment: sockets that it makes there stay there."""
    own = own_namespace()
    try:
        enter(namespace)
        yield
    finally:
        enter(own)
        os.close(own)


def new_namespace():
    own = own_namespace()
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            if number in (errno.EPERM, errno.ENOSYS, errno.ENOSPC, errno.EINVAL):
                raise Skip('no network namespaces here: ' + os.strerror(number))
            raise OSError(number, 'unshare')
        made = own_namespace()
        enter(own)
        return made
    finally:
        os.close(own)


def path_of(descriptor):
    """For programs that we start: the descriptor itself is not passed on."""
    return f'/proc/{os.getpid()}/fd/{descriptor}'


def ip(namespace, *arguments):
    with inside(namespace):
        done = subprocess.run(['ip', *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if 'not permitted' in done.stderr or 'not supported' in done.stderr or 'Unknown device type' in done.stderr:
        raise Skip('no veth pairs here: ' + done.stderr.strip())
    expect(done.returncode == 0, f'ip {" ".join(arguments)}: {done.stderr}')


def switch_off_ipv6(namespace):
    """One family is enough, and its neighbour discovery would only be noise."""
    with inside(namespace):
        for name in ('all', 'default'):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                with open(f'/proc/sys/net/ipv6/conf/{name}/disable_ipv6', 'w', encoding='ascii') as f:
                    f.write('1')


def switch_off_offloads(namespace, interface):
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for command in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack('=II', command, 0))
            request = struct.pack('16sP16x', interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(s, SIOCETHTOOL, request)


class Interface:
    """One end is on the host as eth0, eth1, ..., the other one at the hub."""

    def __init__(self, host, segment):
        self.host = host
        self.segment = segment
        self.name = f'eth{len(host.interfaces)}'
        self.far_name = f'{host.name}-{self.name}'
        self.address = f'10.77.{segment}.{host.number}'
        self.port = None

    def add(self):
        """Also again, after remove()."""
        network, host = self.host.network, self.host
        ip(host.namespace, 'link', 'add', self.name, 'type', 'veth', 'peer', 'name', self.far_name,
           'netns', path_of(network.namespace))
        switch_off_offloads(host.namespace, self.name)
        ip(network.namespace, 'link', 'set', self.far_name, 'up')
        ip(host.namespace, 'addr', 'add', self.address + '/24', 'dev', self.name)
        self.up()
        self.port = network.ask(f'port {self.far_name} {self.segment}')['port']

    def remove(self):
        ip(self.host.namespace, 'link', 'del', self.name)

    def up(self):
        ip(self.host.namespace, 'link', 'set', self.name, 'up')
        if self is self.host.interfaces[0]:
            ip(self.host.namespace, 'route', 'replace', '224.0.0.0/4', 'dev', self.name)

    def down(self):
        ip(self.host.namespace, 'link', 'set', self.name, 'down')


class Host:
    def __init__(self, network, name, number):
        self.network = network
        self.name = name
        self.number = number
        self.namespace = new_namespace()
        self.interfaces = []
        switch_off_ipv6(self.namespace)
        ip(self.namespace, 'link', 'set', 'lo', 'up')

    def add_interface(self, segment=0):
        self.interfaces.append(Interface(self, segment))
        self.interfaces[-1].add()
        return self.interfaces[-1]

    @property
    def address(self):
        return self.interfaces[0].address

    def command(self, arguments):
        """To be run on this host."""
        return ['nsenter', f'--net={path_of(self.namespace)}', '--', *arguments]

    def socket(self, kind, address=None):
        """One of this process on this host; with an address: bound to a free port of it."""
        with inside(self.namespace):
            s = socket.socket(socket.AF_INET, kind)
        s.settimeout(DEADLINE_S)
        if address is not None:
            s.bind((address, 0))
        return s


class Network:
    """A hub and its hosts; hosts are on segment 0 unless they get more interfaces."""

    def __init__(self, seed):
        print(f'# CM_TEST_SEED={seed}')
        self.hosts = []
        self.rest = b''
        self.namespace = new_namespace()
        self.hub = None
        try:
            switch_off_ipv6(self.namespace)
            # A file, not a pipe: who does not read it must not stop the hub.
            self.errors = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
            self.hub = spawn(['nsenter', f'--net={path_of(self.namespace)}', '--', 'nice', '-n', '-15',
                              os.path.join(BUILD, 'tests/lab/hub'), str(seed)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        except BaseException:
            os.close(self.namespace)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.hub.stdin.close()
        try:
            status = self.hub.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            status = 'it does not end'
        self.hub.kill()
        self.hub.wait()
        self.hub.stdout.close()
        self.errors.seek(0)
        said = self.errors.read().decode(errors='replace')
        self.errors.close()
        for host in self.hosts:
            os.close(host.namespace)
        os.close(self.namespace)
        if kind is None:
            expect_equal((status, said), (0, ''))
        elif (status, said) != (0, ''):
            # Without the hub all else fails, late and for no reason that could be seen.
            print(f'# the hub ended with {status}')
            for line in said.splitlines():
                print('# hub: ' + line)

    def ask(self, command):
        self.hub.stdin.write(command.encode() + b'\n')
        self.hub.stdin.flush()
        end = time.monotonic() + DEADLINE_S
        while b'\n' not in self.rest:
            ready, _, _ = select.select([self.hub.stdout], [], [], max(0, end - time.monotonic()))
            expect(ready, 'the hub does not answer')
            data = os.read(self.hub.stdout.fileno(), 4096)
            expect(data, 'the hub has ended')
            self.rest += data
        line, self.rest = self.rest.split(b'\n', 1)
        answer = parse(line.decode())
        expect(answer['rc'] == 0, f'hub: {command}: {os.strerror(-answer["rc"])}')
        return answer

    def host(self, name=None, segments=(0,)):
        number = len(self.hosts) + 1
        host = Host(self, name or f'h{number}', number)
        self.hosts.append(host)
        for segment in segments:
            host.add_interface(segment)
        return host

    def pairs(self, sources, targets):
        """Ports of each direction from one of these hosts to another one of those, on one segment."""
        return [(a.port, b.port) for source in sources for target in targets if source is not target
                for a in source.interfaces for b in target.interfaces if a.segment == b.segment]

    def path(self, sources=None, targets=None, delay_ms=0.0, jitter_ms=0.0, loss=0.0, twice=0.0, reorder=0.0, reorder_ms=0.0):
        """Rules of these directions; without names, of all."""
        times = [int(1000 * ms) for ms in (delay_ms, jitter_ms)]
        shares = [int(1e6 * share) for share in (loss, twice, reorder)]
        for a, b in self.pairs(sources or self.hosts, targets or self.hosts):
            self.ask(' '.join(str(word) for word in ['path', a, b, *times, *shares, int(1000 * reorder_ms)]))

    def cut(self, sources, targets):
        """In this direction only."""
        for a, b in self.pairs(sources, targets):
            self.ask(f'cut {a} {b}')

    def part(self, some, others):
        """In both directions."""
        self.cut(some, others)
        self.cut(others, some)

    def mend(self):
        for a, b in self.pairs(self.hosts, self.hosts):
            self.ask(f'mend {a} {b}')

    def count(self, source, target):
        """Sums over the segments that the two share."""
        answers = [self.ask(f'count {a} {b}') for a, b in self.pairs([source], [target])]
        return {name: sum(answer[name] for answer in answers) for name in answers[0] if name != 'rc'}


__all__ = ['Network', 'Host', 'Interface', 'Skip', 'expect', 'expect_equal', 'inside', 'ip', 'read_text']
