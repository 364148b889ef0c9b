# SPDX-License-Identifier: MIT
"""A DNS server of the test's own, on a free port of loopback, UDP and TCP: answers what it is told to, or rubbish.

Records are set by name and type and may be changed at any time; a mood says how all questions are answered.
"""
import contextlib
import ipaddress
import random
import socket
import struct
import threading

A, AAAA, SRV = 1, 28, 33
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5
TRUNCATED = 0x0200
SLOW_S = 1.5  # a server has 2 s for its first try


def encode_name(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.rstrip('.').split('.') if label) + b'\0'


def decode_name(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return '.'.join(labels).lower(), at + 1


def encode_record(kind, value):
    if kind == SRV:
        host, port = value
        return struct.pack('!HHH', 0, 0, port) + encode_name(host)
    return ipaddress.ip_address(value).packed


class Dns:
    def __init__(self):
        self.records = {}
        self.ttl = 1
        self.mood = 'well'
        self.questions = []
        self.lock = threading.Lock()
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(('127.0.0.1', 0))
            self.port = self.udp.getsockname()[1]
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self.tcp.bind(('127.0.0.1', self.port))
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
        self.tcp.listen(16)
        self.address = f'127.0.0.1:{self.port}'
        self.is_closed = False
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.serve_udp, self.serve_tcp)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b'', ('127.0.0.1', self.port))
        with socket.create_connection(('127.0.0.1', self.port)):
            pass
        for thread in self.threads:
            thread.join(10)
        self.udp.close()
        self.tcp.close()

    def set(self, name, kind, *values):
        """No values: the type has none; the name exists as long as one type was set."""
        with self.lock:
            self.records[(name.lower(), kind)] = list(values)

    def remove(self, name):
        with self.lock:
            self.records = {key: values for key, values in self.records.items() if key[0] != name.lower()}

    def asked(self, name=None):
        with self.lock:
            return len([one for one in self.questions if name in (None, one[0])])

    def answer(self, query, is_tcp):
        """The bytes of an answer; None: silence."""
        name, end = decode_name(query, 12)
        kind, = struct.unpack('!H', query[end:end + 2])
        question = query[12:end + 4]
        number, = struct.unpack('!H', query[:2])
        with self.lock:
            self.questions.append((name, kind, is_tcp))
            values = self.records.get((name, kind), [])
            exists = any(key[0] == name for key in self.records)
            mood = self.mood
        code = 0 if exists else NXDOMAIN
        made = getattr(self, 'mood_' + mood.replace('-', '_'))(number, question, kind, values, code, is_tcp)
        return made

    def message(self, number, question, kind, values, code, flags=0, at=0xc00c):
        body = b''.join(struct.pack('!HHHIH', at, kind, 1, self.ttl, len(data)) + data
                        for data in (encode_record(kind, value) for value in values))
        return struct.pack('!HHHHHH', number, 0x8180 | flags | code, 1, len(values), 0, 0) + question + body

    def mood_well(self, number, question, kind, values, code, is_tcp):
        made = self.message(number, question, kind, values, code)
        if len(made) > 1232 and not is_tcp:
            return self.message(number, question, kind, [], code, flags=TRUNCATED)
        return made

    def mood_slow(self, *arguments):
        """It comes, but late: see send()."""
        return self.mood_well(*arguments)

    def mood_truncated(self, number, question, kind, values, code, is_tcp):
        """UDP only says that there is more; the whole comes by TCP."""
        if is_tcp:
            return self.message(number, question, kind, values, code)
        return self.message(number, question, kind, [], code, flags=TRUNCATED)

    def mood_cut(self, *arguments):
        made = self.message(*arguments[:5])
        return made[:-3] if len(arguments[3]) else made[:14]

    def mood_silent(self, *_):
        return None

    def mood_servfail(self, number, question, kind, _values, _code, _is_tcp):
        return self.message(number, question, kind, [], SERVFAIL)

    def mood_refused(self, number, question, kind, _values, _code, _is_tcp):
        return self.message(number, question, kind, [], REFUSED)

    def mood_wrong_id(self, number, *arguments):
        return self.message(number ^ 0x5555, *arguments[:4])

    def mood_wrong_question(self, number, _question, kind, values, code, _is_tcp):
        return self.message(number, encode_name('other.test') + struct.pack('!HH', kind, 1), kind, values, code)

    def mood_loop(self, number, question, kind, _values, _code, _is_tcp):
        """The record's name points to itself."""
        at = 12 + len(question)
        return self.message(number, question, kind, [self.sample(kind)] * 4, 0, at=0xc000 | at)

    def chain(self, number, question, kind, is_tcp, size):
        """Names that are chains of pointers, as long as can be: each costs what it can to read."""
        if not is_tcp:
            return self.message(number, question, kind, [], 0, flags=TRUNCATED)
        at = 12 + len(question) + 12
        n_links = min(size // 4, 0x3fff - at) // 2
        links = struct.pack('!H', 0xc00c) + b''.join(struct.pack('!H', 0xc000 | (at + 2 * i)) for i in range(n_links))
        data = encode_record(kind, self.sample(kind))
        record = struct.pack('!HHHIH', 0xc000 | (at + 2 * n_links), kind, 1, 1, len(data)) + data
        n = (size - at - len(links)) // len(record)
        return (struct.pack('!HHHHHH', number, 0x8180, 1, n + 1, 0, 0) + question
                + struct.pack('!HHHIH', 0xc00c, 16, 1, 1, len(links)) + links + record * n)

    def mood_chain(self, number, question, kind, _values, _code, is_tcp):
        return self.chain(number, question, kind, is_tcp, 65000)

    def mood_short_chain(self, number, question, kind, _values, _code, is_tcp):
        """The most that is read at all."""
        return self.chain(number, question, kind, is_tcp, 8192)

    def mood_huge(self, number, question, kind, _values, _code, is_tcp):
        """More addresses than anybody needs."""
        if not is_tcp:
            return self.message(number, question, kind, [], 0, flags=TRUNCATED)
        return self.message(number, question, kind, [self.sample(kind, i) for i in range(1500)], 0)

    def mood_noise(self, number, question, *_):
        return struct.pack('!HHHHHH', number, 0x8180, 1, 900, 900, 900) + question + random.randbytes(400)

    @staticmethod
    def sample(kind, i=0):
        if kind == SRV:
            return (f'h{i}.test', 1 + i)
        return f'127.9.{i // 250}.{1 + i % 250}' if kind == A else f'::ffff:127.8.{i // 250}.{1 + i % 250}'

    def serve_udp(self):
        while True:
            query, source = self.udp.recvfrom(4096)
            if self.is_closed:
                return
            made = self.answer(query, False)
            if made is not None and self.mood == 'slow':
                later = threading.Timer(SLOW_S, self.send, (made, source))
                later.daemon = True
                later.start()
            elif made is not None:
                self.send(made, source)

    def send(self, made, source):
        with contextlib.suppress(OSError):
            self.udp.sendto(made, source)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            if self.is_closed:
                connection.close()
                return
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        with connection:
            connection.settimeout(30)
            try:
                while True:
                    size = self.receive(connection, 2)
                    made = self.answer(self.receive(connection, struct.unpack('!H', size)[0]), True)
                    if made is not None:
                        connection.sendall(struct.pack('!H', len(made)) + made)
            except (OSError, EOFError):
                pass

    @staticmethod
    def receive(connection, n):
        data = b''
        while len(data) < n:
            got = connection.recv(n - len(data))
            if not got:
                raise EOFError
            data += got
        return data
