# SPDX-License-Identifier: MIT
"""Disks that are full."""
import contextlib
import ctypes
import os

from mesh import Skip, libc

CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2


@contextlib.contextmanager
def small_disk(directory, size):
    """Below it, and in a mount namespace of this process: nobody else sees it, and it goes with it."""
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b'none', b'/', None, MS_REC | MS_PRIVATE, None) != 0:
        raise Skip(f'no mount namespace here: {os.strerror(ctypes.get_errno())}')
    path = os.path.join(directory, 'disk')
    os.mkdir(path)
    if libc.mount(b'tmpfs', os.fsencode(path), b'tmpfs', 0, ctypes.c_char_p(f'size={size}'.encode())) != 0:
        raise Skip(f'no file system can be mounted here: {os.strerror(ctypes.get_errno())}')
    try:
        yield path
    finally:
        libc.umount2(os.fsencode(path), MNT_DETACH)


def fill(path):
    with contextlib.suppress(OSError), open(os.path.join(path, 'full'), 'wb', buffering=0) as f:
        while True:
            f.write(bytes(4096))
