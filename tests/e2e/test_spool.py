#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What apps invalidate while their meshd is away, and how it gets to the other nodes though the apps have ended by then."""
import json
import os
import shutil
import signal
import struct

from mesh import Mesh, Skip, expect, expect_equal, read_text, run, until

PENDING = 3
PATIENT = {'gone_ms': 60000}  # else a node that is away for long makes the others forget everything anyway
HEADER_SIZE = 16


def spool_of(node):
    return node.socket + '.spool'


def files_of(node):
    return sorted(os.listdir(spool_of(node)))


def start(mesh):
    """Two nodes, each with an app; the second one's has r/k and r/other."""
    nodes = mesh.start(2, **PATIENT)
    apps = [node.app(name=f'app-{node.name}').wait_mode('live') for node in nodes]
    for key in ('k', 'other'):
        expect_equal(apps[1].ask(f'until r {key} stored 30000')['rc'], 0)
    expect_equal(apps[0].ask('get r k')['rc'], 1)  # it has the region open, too
    mesh.publish_once(nodes[0], apps[0])
    return nodes, apps


def kill(app):
    app.process.send_signal(signal.SIGKILL)
    app.process.wait()


def expect_only_k_is_dead(app):
    expect_equal(app.wait_mode('live').get('r k')['reason'], 'invalidated')
    expect_equal(app.get('r other')['rc'], 0)


def come_back(mesh, nodes):
    nodes[0].start()
    mesh.wait_live()
    mesh.wait_caught_up()


def until_flushed(mesh, app):
    """What an app has kept is in the stream; nobody waits for the other node, which may still be catching up."""
    until('it is flushed', lambda: app.ask('state')['pending'] == 0)
    mesh.wait_caught_up()


def an_app_that_is_killed_before_meshd_is_back_loses_nothing():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        expect_equal(apps[0].ask('invalidate r k none')['rc'], PENDING)
        expect_equal(len(files_of(nodes[0])), 1)
        kill(apps[0])
        come_back(mesh, nodes)
        expect_only_k_is_dead(apps[1])
        expect_equal(files_of(nodes[0]), [])
        stats = nodes[0].stats()
        expect_equal((stats['spool_files'], stats['spool_operations'], stats['spool_damaged']), (1, 1, 0))
        expect('event=spool.published' in read_text(nodes[0].log), 'not told')


def meshctl_shows_what_waits_while_meshd_is_away():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        expect_equal(nodes[0].meshctl_status('spool', '--no-headers'), (0, '', ''))
        nodes[0].kill()
        expect_equal(apps[0].ask('publish r k 0 3 none')['pending'], 3)
        status, out, _ = nodes[0].meshctl_status('spool', '-o', 'json')
        document = json.loads(out)
        expect_equal((status, document['operations']), (2, 3))
        row, = document['files']
        expect_equal((row['pid'], row['uid'], row['operations'], row['state']),
                     (apps[0].process.pid, os.geteuid(), 3, 'complete'))
        status, _, error = nodes[0].meshctl_status('status')
        expect_equal(status, 69)
        expect('3 invalidations wait in its spool' in error, error)
        come_back(mesh, nodes)
        until('it is flushed', lambda: apps[0].ask('state')['pending'] == 0)
        expect_equal(nodes[0].meshctl_status('spool')[0], 0)
        os.rename(spool_of(nodes[0]), spool_of(nodes[0]) + '.away')
        status, _, error = nodes[0].meshctl_status('spool')
        expect_equal(status, 1)
        expect('there is no spool' in error, error)


def an_app_that_ends_in_order_while_meshd_is_stopped_loses_nothing():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].stop()
        expect_equal(apps[0].ask('invalidate r k mesh')['rc'], PENDING)
        expect(apps[0].close(), 'the app did not end')
        expect_equal(len(files_of(nodes[0])), 1)
        come_back(mesh, nodes)
        expect_only_k_is_dead(apps[1])


def an_app_that_lives_on_publishes_by_itself_and_leaves_no_file():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        expect_equal(apps[0].ask('invalidate r k node')['rc'], PENDING)
        come_back(mesh, nodes)
        until_flushed(mesh, apps[0])
        expect_only_k_is_dead(apps[1])
        expect_equal(files_of(nodes[0]), [])


def what_many_apps_leave_at_once_is_all_published():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        others = [nodes[0].app(name=f'app{i}').wait_mode('live') for i in range(4)]
        expect_equal(apps[1].ask('fill r many 0 400')['stored'], 400)
        nodes[0].kill()
        for i, app in enumerate(others):
            app.send(f'publish r many {i * 100} 100 none')
        for app in others:
            expect_equal(app.receive()['pending'], 100)
        for app in others:
            kill(app)
        expect_equal(len(files_of(nodes[0])), 4)
        come_back(mesh, nodes)
        expect_equal(nodes[0].stats()['spool_operations'], 400)
        scan = apps[1].wait_mode('live').scan('r many 0 400')
        expect_equal((scan['hits'], scan['invalidated']), (0, 400))
        expect_equal(apps[1].get('r other')['rc'], 0)


def more_than_the_queue_holds_becomes_whole_regions():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        small = nodes[0].app(name='small', pending_max=10).wait_mode('live')
        expect_equal(small.ask('get r k')['rc'], 1)
        expect_equal(apps[1].ask('until q k stored 30000')['rc'], 0)
        nodes[0].kill()
        expect_equal(small.ask('publish r other 0 50 none')['pending'], 50)
        # Opened after the overflow: its invalidations are to be found as well.
        expect_equal(small.ask('invalidate q k none')['rc'], PENDING)
        kill(small)
        come_back(mesh, nodes)
        expect_equal(apps[1].wait_mode('live').get('r other')['reason'], 'invalidated')
        expect_equal(apps[1].get('q k')['reason'], 'invalidated')


def a_meshd_that_was_killed_while_it_published_is_made_up_for():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        expect_equal(apps[0].ask('invalidate r k none')['rc'], PENDING)
        kill(apps[0])
        name, = files_of(nodes[0])
        # As it is called from the moment on at which a meshd has taken it.
        os.rename(os.path.join(spool_of(nodes[0]), name), os.path.join(spool_of(nodes[0]), name + '.taken'))
        come_back(mesh, nodes)
        expect_only_k_is_dead(apps[1])


def an_app_that_dies_while_meshd_hangs_loses_nothing_either():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        hasty = nodes[0].app(name='hasty', timeout_ms=200).wait_mode('live')
        expect_equal(hasty.ask('get r k')['rc'], 1)
        nodes[0].pause()
        expect_equal(hasty.ask('invalidate r k node')['rc'], PENDING)
        expect_equal(len(files_of(nodes[0])), 1)
        kill(hasty)
        nodes[0].resume()
        until('it was taken', lambda: files_of(nodes[0]) == [])
        expect_equal(nodes[0].stats()['spool_operations'], 1)
        mesh.wait_live()
        mesh.wait_caught_up()
        expect_only_k_is_dead(apps[1])


def a_write_that_was_cut_off_costs_nothing_but_itself():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        expect_equal(apps[0].ask('invalidate r k none')['rc'], PENDING)
        size = os.path.getsize(os.path.join(spool_of(nodes[0]), files_of(nodes[0])[0]))
        expect_equal(apps[0].ask('invalidate r other none')['rc'], PENDING)
        kill(apps[0])
        path = os.path.join(spool_of(nodes[0]), files_of(nodes[0])[0])
        os.truncate(path, size + 20)
        come_back(mesh, nodes)
        expect_only_k_is_dead(apps[1])
        expect_equal(nodes[0].stats()['spool_damaged'], 0)


def a_damaged_file_makes_everybody_forget():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        expect_equal(apps[0].ask('invalidate r k none')['rc'], PENDING)
        kill(apps[0])
        path = os.path.join(spool_of(nodes[0]), files_of(nodes[0])[0])
        with open(path, 'r+b') as f:
            f.seek(-1, os.SEEK_END)
            f.write(b'\xff')
        come_back(mesh, nodes)
        expect_equal(apps[1].wait_mode('live').get('r other')['reason'], 'forgotten')
        expect_equal(nodes[0].stats()['spool_damaged'], 1)
        expect('event=spool.damaged' in read_text(nodes[0].log), 'not told')


def a_file_of_a_newer_version_makes_everybody_forget():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        with open(os.path.join(spool_of(nodes[0]), 'newer'), 'wb') as f:
            f.write(b'cmspool\0' + struct.pack('=II', 2, 1))
        come_back(mesh, nodes)
        expect_equal(apps[1].wait_mode('live').get('r k')['reason'], 'forgotten')


def what_no_app_has_made_is_refused_and_costs_nothing():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        secret = os.path.join(mesh.directory, 'secret')
        with open(secret, 'wb') as f:
            f.write(b'cmspool\0' + struct.pack('=II', 1, 1) + b'damage' * 10)
        diary = os.path.join(mesh.directory, 'diary')
        with open(diary, 'w', encoding='ascii') as f:
            f.write('Dear diary')
        spool = spool_of(nodes[0])
        os.symlink(secret, os.path.join(spool, 'link'))
        os.link(diary, os.path.join(spool, 'hard'))
        os.mkdir(os.path.join(spool, 'directory'))
        os.mkfifo(os.path.join(spool, 'fifo'))
        shutil.copy(diary, os.path.join(spool, 'text'))
        come_back(mesh, nodes)
        for key in ('k', 'other'):
            expect_equal(apps[1].wait_mode('live').get(f'r {key}')['rc'], 0)
        expect_equal(read_text(nodes[0].log).count('event=spool.refused'), 5)
        expect_equal(files_of(nodes[0]), [])
        expect(os.path.exists(secret), 'the target of a link is gone')
        expect_equal(read_text(diary), 'Dear diary')


def a_spool_of_another_user_is_used_by_nobody():
    if os.geteuid() != 0:
        raise Skip('only root can be several users')
    with Mesh() as mesh:
        node = mesh.node()
        os.mkdir(spool_of(node))
        os.chown(spool_of(node), 65534, 65534)
        app = node.app()
        expect_equal(app.ask('invalidate r k none')['rc'], PENDING)
        expect('memory_only' in app.ask('state')['reason'], app.ask('state'))
        expect_equal(files_of(node), [])
        node.start().wait_socket()
        expect('event=spool.unavailable' in read_text(node.log), 'not told')


def without_a_spool_the_app_is_told_so():
    with Mesh() as mesh:
        nodes, apps = start(mesh)
        nodes[0].kill()
        os.rmdir(spool_of(nodes[0]))
        expect_equal(apps[0].ask('invalidate r k none')['rc'], PENDING)
        expect_equal(apps[0].ask('state')['reason'], 'meshd_is_away,_and_invalidations_are_kept_in_memory_only')
        come_back(mesh, nodes)
        until_flushed(mesh, apps[0])
        expect_only_k_is_dead(apps[1])


def the_spool_is_for_those_who_may_use_the_socket():
    with Mesh() as mesh:
        node = mesh.node().start().wait_socket()
        status = os.stat(spool_of(node))
        expect_equal(oct(status.st_mode & 0o7777), oct(0o3770))
        expect_equal((status.st_uid, status.st_gid), (os.geteuid(), os.stat(node.socket).st_gid))


if __name__ == '__main__':
    run([an_app_that_is_killed_before_meshd_is_back_loses_nothing,
         meshctl_shows_what_waits_while_meshd_is_away,
         an_app_that_ends_in_order_while_meshd_is_stopped_loses_nothing,
         an_app_that_lives_on_publishes_by_itself_and_leaves_no_file,
         what_many_apps_leave_at_once_is_all_published,
         more_than_the_queue_holds_becomes_whole_regions,
         a_meshd_that_was_killed_while_it_published_is_made_up_for,
         an_app_that_dies_while_meshd_hangs_loses_nothing_either,
         a_write_that_was_cut_off_costs_nothing_but_itself,
         a_damaged_file_makes_everybody_forget,
         a_file_of_a_newer_version_makes_everybody_forget,
         what_no_app_has_made_is_refused_and_costs_nothing,
         a_spool_of_another_user_is_used_by_nobody,
         without_a_spool_the_app_is_told_so,
         the_spool_is_for_those_who_may_use_the_socket])
