# SPDX-License-Identifier: MIT
"""A mesh without multicast, whose nodes ask a DNS server of the test's own for NAME."""
import contextlib
import random

from dns_server import Dns
from mesh import LEASE_MS, Mesh, free_port, until

NAME = 'mesh.test'


def row(node):
    return node.status()['dns'][0]


def until_dns(node, state, **values):
    def is_so():
        found = row(node)
        return found['state'] == state and all(found[key] == value for key, value in values.items()) and found
    return until(f'{node.name}: dns {state} {values}', is_so)


class Street:
    """Addresses of loopback that nobody else has, and one port on all of them."""

    def __init__(self):
        self.prefix = f'127.{random.randint(1, 254)}.{random.randint(1, 254)}'
        self.port = free_port()

    def __getitem__(self, n):
        return f'{self.prefix}.{n}'

    def listen(self, n):
        return f'{self[n]}:{self.port}'


@contextlib.contextmanager
def named(lease_ms=LEASE_MS, **flags):
    """Gives the server, the mesh, addresses for its nodes, and their flags."""
    with Dns() as dns, Mesh(lease_ms) as mesh:
        street = Street()
        flags = {'multicast': 'off', 'dns': f'{NAME}:{street.port}', 'dns_server': dns.address, **flags}
        yield dns, mesh, street, flags
