#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Apps of several users at one meshd: what they share, and what they do not."""
import os
import subprocess

from mesh import Mesh, Skip, expect_equal, run

LEASE_MS = 1000  # a busy machine must not let it lapse
MISS = 1
NOBODY = 65534
AS_NOBODY = ('setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups', '--')


def open_to_all(mesh, node):
    """The socket and the way to it; who is not root cannot show what is tested here."""
    if os.geteuid() != 0:
        raise Skip('needs root to have two users')
    if subprocess.run(['test', '-x', mesh.program('herd')], user=NOBODY, check=False).returncode != 0:
        raise Skip('other users cannot reach the build directory')
    for path in (mesh.directory, node.directory):
        os.chmod(path, 0o755)
    os.chmod(node.socket, 0o666)


def loader(mesh, node, inside=()):
    app = node.app(name=f'loader-{mesh.serial()}', program='herd', inside=inside)
    expect_equal(app.ask(f'open {mesh.directory}/db keys 4 1 0')['rc'], 0)
    os.chmod(f'{mesh.directory}/db', 0o666)
    return app.wait_mode('live')


def a_process_of_another_user_loads_for_itself():
    with Mesh(LEASE_MS) as mesh:
        node, = mesh.start(1)
        open_to_all(mesh, node)
        apps = [loader(mesh, node), loader(mesh, node), loader(mesh, node, AS_NOBODY)]
        apps[0].ask('db 0 1000')
        seen = []
        for app in apps:
            expect_equal(app.get('k')['rc'], 0)
            seen.append((app.ask('stats')['shared'], apps[0].ask('db')['queries']))
        expect_equal(seen, [(0, 1), (1, 1), (0, 2)])


def an_invalidation_by_another_user_reaches_all():
    with Mesh(LEASE_MS) as mesh:
        node, = mesh.start(1)
        open_to_all(mesh, node)
        app, other = node.app().wait_mode('live'), node.app(inside=AS_NOBODY).wait_mode('live')
        for one in (app, other):
            expect_equal(one.ask('until r k stored 30000')['rc'], 0)
            expect_equal(one.get('r k')['rc'], 0)
        expect_equal(other.ask('invalidate r k node')['rc'], 0)
        expect_equal(app.ask('get r k')['rc'], MISS)


run([a_process_of_another_user_loads_for_itself, an_invalidation_by_another_user_reaches_all])
