# SPDX-License-Identifier: MIT
"""A wire between nodes that can be cut in one direction.

A node listens on one port and advertises another one, the proxy's. Nodes only send on connections that they opened, and each
frame says who sent it; so a connection whose sender is cut from this node is held: its bytes stay in the proxy, as behind a
firewall that drops them, and no connection is reset.
"""
import selectors
import socket
import threading

HEADER = b'\xc4\x10'  # msgpack: 16 bytes, the sender's node id


class Pipe:
    """One connection of a peer, and ours to the node."""

    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.sender = None  # node id, once a frame went by
        self.seen = b''

    def look(self, data):
        if self.sender is None:
            self.seen += data
            at = self.seen.find(HEADER)
            if at >= 0 and len(self.seen) >= at + 18:
                self.sender = self.seen[at + 2:at + 18]

    def close(self):
        self.client.close()
        self.server.close()


class Proxy:
    """In front of one node, with a thread of its own."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ, None)
        self.pipes = []
        self.held = []
        self.cut_senders = set()
        self.is_ending = False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def cut(self, node_id):
        self.cut_senders = self.cut_senders | {node_id}

    def mend(self):
        self.cut_senders = set()
        self.wake.send(b'x')

    def close(self):
        self.is_ending = True
        self.wake.send(b'x')
        self.thread.join()
        for pipe in self.pipes:
            pipe.close()
        for s in (self.listener, self.wake, self.woken):
            s.close()
        self.selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def serve(self):
        while not self.is_ending:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.woken:
                    self.woken.recv(100)
                    self.release()
                else:
                    self.carry(key.data, key.fileobj)

    def accept(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(('127.0.0.1', self.target_port))
        except OSError:
            client.close()
            return
        pipe = Pipe(client, server)
        self.pipes.append(pipe)
        for s in (client, server):
            self.selector.register(s, selectors.EVENT_READ, pipe)

    def release(self):
        for pipe, data in self.held:
            if pipe in self.pipes:  # else the node has ended meanwhile
                self.pass_on(pipe, pipe.server, data)
            if pipe in self.pipes:
                self.selector.register(pipe.client, selectors.EVENT_READ, pipe)
        self.held = []

    def carry(self, pipe, source):
        if pipe not in self.pipes:
            return
        try:
            data = source.recv(65536)
        except OSError:
            data = b''
        if source is pipe.client:
            pipe.look(data)
            if pipe.sender in self.cut_senders:
                self.selector.unregister(pipe.client)
                self.held.append((pipe, data))
                return
        self.pass_on(pipe, pipe.server if source is pipe.client else pipe.client, data)

    def pass_on(self, pipe, target, data):
        try:
            if data:
                target.sendall(data)
                return
        except OSError:
            pass
        for s in (pipe.client, pipe.server):
            if s.fileno() >= 0 and s in self.selector.get_map():
                self.selector.unregister(s)
        pipe.close()
        self.pipes.remove(pipe)
