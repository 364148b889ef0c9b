#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The spool among users: meshd is one, its apps are others of the socket's group, and somebody wishes them ill."""
import os
import shutil
import stat
import struct

from mesh import BUILD, Mesh, Skip, expect, expect_equal, read_text, run

PENDING = 3
GROUP = 5000  # of the socket
MESHD = 3000
APPS = (1001, 1002)
VILLAIN = 1003  # in the group, too
STRANGER = 1004
HEADER = b'cmspool\0' + struct.pack('=II', 1, 1)


def need_root():
    if os.geteuid() != 0:
        raise Skip('only root can be several users')


def act_as(uid, groups, action):
    """In a child; True if all of it was allowed, False if it was not."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            os.setgroups(groups)
            os.setgid(uid)
            os.setuid(uid)
            os.umask(0)
            action()
            status = 0
        except PermissionError:
            status = 1
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    expect(status in (0, 1), f'what user {uid} did ended with {status}')
    return status == 0


class Users:
    """Two nodes; the first one's meshd and apps are users of their own, and its programs lie where these can reach them."""

    def __init__(self, mesh):
        self.mesh = mesh
        os.chmod(mesh.directory, 0o755)
        self.programs = os.path.join(mesh.directory, 'programs')
        for name in ('meshd/meshd', 'tests/e2e/app', 'libcachemesh/libcachemesh.so.0'):
            path = os.path.join(self.programs, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy2(os.path.join(BUILD, name), path)
        self.node = mesh.node(gone_ms=60000)
        os.chown(self.node.directory, MESHD, GROUP)
        os.chmod(self.node.directory, 0o755)
        arguments = self.node.arguments()
        self.node.arguments = lambda: [os.path.join(self.programs, 'meshd/meshd'), *arguments[1:]]
        self.other = mesh.node(gone_ms=60000).start()
        self.start()
        self.apps = [mesh.app(self.node, name=f'app{uid}', program=os.path.join(self.programs, 'tests/e2e/app'), user=uid,
                              group=uid, extra_groups=[GROUP]).wait_mode('live') for uid in APPS]
        self.reader = self.other.app(name='reader').wait_mode('live')
        for key in (*APPS, 'other'):
            expect_equal(self.reader.ask(f'until r {key} stored 30000')['rc'], 0)
        for app in self.apps:
            expect_equal(app.ask('get r other')['rc'], 1)  # it has the region open, too

    @property
    def spool(self):
        return self.node.socket + '.spool'

    def files(self):
        return sorted(os.listdir(self.spool))

    def path(self, name):
        return os.path.join(self.spool, name)

    def start(self):
        self.node.start(user=MESHD, group=GROUP, extra_groups=[])
        self.mesh.wait_live()
        self.mesh.wait_caught_up()
        self.mesh.wait_counted()

    def leave_invalidations(self):
        """Each app one, while meshd is away, and then they are killed. Returns the names of the files."""
        self.node.kill()
        for uid, app in zip(APPS, self.apps):
            expect_equal(app.ask(f'invalidate r {uid} none')['rc'], PENDING)
            expect('memory_only' not in app.ask('state')['reason'], app.ask('state'))
        for app in self.apps:
            app.kill()
        files = self.files()
        expect_equal(sorted(os.stat(self.path(name)).st_uid for name in files), list(APPS))
        return files

    def expect_published(self):
        self.reader.wait_mode('live')
        for uid in APPS:
            expect_equal((uid, self.reader.get(f'r {uid}')['reason']), (uid, 'invalidated'))
        expect_equal(self.reader.get('r other')['rc'], 0)
        expect_equal(self.node.stats()['spool_damaged'], 0)


def meshd_publishes_what_apps_of_other_users_have_left():
    need_root()
    with Mesh() as mesh:
        users = Users(mesh)
        status = os.stat(users.spool)
        expect_equal((oct(status.st_mode & 0o7777), status.st_uid, status.st_gid), (oct(0o3770), MESHD, GROUP))
        for name in users.leave_invalidations():
            status = os.stat(users.path(name))
            expect_equal((oct(status.st_mode & 0o7777), status.st_gid), (oct(0o640), GROUP))
        users.start()
        users.expect_published()
        expect_equal(users.files(), [])
        expect_equal(users.node.stats()['spool_files'], len(APPS))


def nobody_can_take_away_or_read_what_is_not_his():
    need_root()
    with Mesh() as mesh:
        users = Users(mesh)
        name = users.leave_invalidations()[0]
        owner = os.stat(users.path(name)).st_uid
        for uid, groups in ((VILLAIN, [GROUP]), (next(uid for uid in APPS if uid != owner), [GROUP]), (STRANGER, [])):
            for action in (lambda: os.unlink(users.path(name)),
                           lambda: os.rename(users.path(name), users.path('mine')),
                           lambda: os.truncate(users.path(name), 0),
                           lambda: open(users.path(name), 'ab').close(),
                           lambda: os.chmod(users.path(name), 0o666),
                           lambda: os.rmdir(users.spool),
                           lambda: os.rename(users.spool, users.spool + '.mine')):
                expect(not act_as(uid, groups, action), f'user {uid} may do that')
        # Who may use the socket can read the keys: security.md says so. Nobody else can.
        expect(act_as(VILLAIN, [GROUP], lambda: open(users.path(name), 'rb').close()), 'the group may not read')
        for action in (lambda: os.listdir(users.spool), lambda: os.stat(users.path(name)),
                       lambda: open(users.path('new'), 'xb').close()):
            expect(not act_as(STRANGER, [], action), 'a stranger may do that')
        users.start()
        users.expect_published()


def plant(users, names, secret):
    """All that the villain can put there. What he makes of his own is as long as a header, and says nothing."""
    diary = os.path.join(users.mesh.directory, 'villain', 'diary')

    def write(path, content, mode=0o640):
        with open(path, 'xb') as f:
            os.fchmod(f.fileno(), mode)
            f.write(content)

    def action():
        write(diary, b'Dear diary', 0o644)
        for name in names:
            write(users.path(name), HEADER)
        write(users.path('text'), b'Dear diary')
        write(users.path('n' * 255), HEADER)
        write(users.path('unreadable'), b'', 0)
        write(users.path('large'), b'Dear diary' * 300000)
        os.link(diary, users.path('hard'))
        os.symlink(secret, users.path('symlink'))
        os.symlink(users.path('nowhere'), users.path('dangling'))
        os.mkfifo(users.path('fifo'))
        os.mkdir(users.path('empty'))
        os.mkdir(users.path('full'))
        write(os.path.join(users.path('full'), 'inner'), b'')
    expect(act_as(VILLAIN, [GROUP], action), 'he may not do that')
    return diary


def what_a_villain_of_the_group_plants_costs_nothing_that_was_there():
    need_root()
    with Mesh() as mesh:
        users = Users(mesh)
        secret = os.path.join(mesh.directory, 'secret')
        with open(secret, 'wb') as f:
            f.write(HEADER + b'damage' * 10)
        os.chmod(secret, 0o600)
        os.mkdir(os.path.join(mesh.directory, 'villain'))
        os.chown(os.path.join(mesh.directory, 'villain'), VILLAIN, VILLAIN)
        files = users.leave_invalidations()
        # The one was taken by a meshd that was killed, and the villain makes one that is about to be taken so.
        os.rename(users.path(files[0]), users.path(files[0] + '.taken'))
        diary = plant(users, [files[0], files[1] + '.taken'], secret)
        users.start()
        users.expect_published()
        expect_equal(users.files(), ['full'])
        expect_equal(read_text(diary), 'Dear diary')
        expect(stat.S_ISREG(os.lstat(secret).st_mode), 'the target of a link is gone')
        expect('event=spool.damaged' not in read_text(users.node.log), 'damage')


def what_meshd_may_not_read_makes_everybody_forget():
    """Whoever took the right away: it may be an app's."""
    need_root()
    with Mesh() as mesh:
        users = Users(mesh)
        os.chmod(users.path(users.leave_invalidations()[0]), 0o600)
        users.start()
        expect_equal(users.reader.wait_mode('live').get('r other')['reason'], 'forgotten')
        expect_equal((users.node.stats()['spool_damaged'], users.files()), (1, []))


if __name__ == '__main__':
    run([meshd_publishes_what_apps_of_other_users_have_left,
         nobody_can_take_away_or_read_what_is_not_his,
         what_a_villain_of_the_group_plants_costs_nothing_that_was_there,
         what_meshd_may_not_read_makes_everybody_forget])
