#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
A TCP forwarder that can be told to swallow what it is sent: usage one_way.py TARGET-PORT-FILE. It prints the port it
listens on, reads the target's port from the file at each connection, and after SIGUSR1 forwards nothing towards the
target any more, while the connections stay up.
"""
import selectors
import signal
import socket
import sys

is_cut = False


def cut(*unused):
    global is_cut
    is_cut = True


def main():
    signal.signal(signal.SIGUSR1, cut)
    selector = selectors.DefaultSelector()
    listener = socket.create_server(('127.0.0.1', 0))
    selector.register(listener, selectors.EVENT_READ, None)
    print(listener.getsockname()[1], flush=True)
    while True:
        for key, _ in selector.select(1):
            if key.data is None:
                client, _ = listener.accept()
                try:
                    with open(sys.argv[1], encoding='ascii') as f:
                        target = socket.create_connection(('127.0.0.1', int(f.read())))
                except (OSError, ValueError):
                    client.close()  # not there yet: it will be dialled again
                    continue
                selector.register(client, selectors.EVENT_READ, (target, True))
                selector.register(target, selectors.EVENT_READ, (client, False))
                continue
            other, is_inward = key.data
            try:
                data = key.fileobj.recv(65536)
                if data and not (is_inward and is_cut):
                    other.sendall(data)
            except OSError:
                data = b''
            if not data:
                for end in (key.fileobj, other):
                    try:
                        selector.unregister(end)
                    except KeyError:
                        pass
                    end.close()
                break


main()
