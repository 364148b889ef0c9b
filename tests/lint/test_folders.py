#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which folder may include which: an upward include fails, and the pure parts see C's own headers only."""
import os
import re

import tree
from tap import expect, expect_equal, run

LAYERS = {
    'base': {'base'},
    'wire': {'base', 'wire'},
    'discovery': {'base', 'wire', 'discovery'},
    'libcachemesh': {'base', 'wire', 'libcachemesh'},
    'meshd': {'base', 'wire', 'discovery', 'meshd'},
    'meshctl': {'base', 'wire', 'meshctl'},
    'demo-app': {'demo-app'},
    'docs': {'docs'},
}
# What writes messages, and what compares them with those of msgpack-c itself.
MSGPACK_USERS = {'wire/writer.c', 'tests/wire/test_oracle.c'}
PUBLIC_HEADERS = {'libcachemesh/cachemesh.h', 'libcachemesh/cachemesh-session.h'}
# Installed beside each other, so one names the other without a path.
BESIDE = {('libcachemesh/cachemesh-session.h', 'cachemesh.h')}
# meshd/core sees no peer table: discovery tells it about peers by events.
# meshd/session sees nothing of the core but how bugs are planted.
PURE_FOLDERS = {
    'meshd/core': {'base', 'wire', 'meshd/core'},
    'meshd/session': {'base', 'wire', 'meshd/session', 'meshd/core/mutant.h'},
    'meshd/bridge': {'base', 'wire', 'meshd/session', 'meshd/core', 'meshd/bridge'},
}
# The shell's own layers: the ground sees nothing of what stands on it, and other nodes' links know nothing of apps. The top may see
# all; of it only the verbs see something.
SHELL_FOLDERS = {
    'meshd/io': {'base', 'wire', 'meshd/io', 'meshd/core/mutant.h'},
    'meshd/options': {'base', 'wire', 'discovery', 'meshd/core', 'meshd/session/store.h', 'meshd/io', 'meshd/options'},
    'meshd/mesh': {'base', 'wire', 'discovery', 'meshd/core', 'meshd/io', 'meshd/options', 'meshd/mesh'},
    'meshd/local': {'base', 'wire', 'meshd/bridge', 'meshd/core', 'meshd/session', 'meshd/io', 'meshd/options', 'meshd/mesh',
                    'meshd/local', 'meshd/verbs'},
}
PURE_FILES = {
    'discovery/address_filter', 'discovery/beacon', 'discovery/candidate', 'discovery/candidate_dial', 'discovery/candidate_slots',
    'discovery/candidate_table', 'discovery/schedule', 'discovery/source_limit',
}
C_HEADERS = {
    'assert.h', 'ctype.h', 'errno.h', 'float.h', 'inttypes.h', 'iso646.h', 'limits.h', 'math.h', 'stdalign.h',
    'stdarg.h', 'stdatomic.h', 'stdbool.h', 'stddef.h', 'stdint.h', 'stdio.h', 'stdlib.h', 'stdnoreturn.h',
    'string.h',
}
# Inlined arithmetic: it brings no system call.
PURE_FILE_HEADERS = C_HEADERS | {'xxhash.h'}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def is_impure(path, header):
    if os.path.splitext(path)[0] in PURE_FILES:
        return header not in PURE_FILE_HEADERS
    return any(path.startswith(f + '/') for f in PURE_FOLDERS) and header not in C_HEADERS


def quoted_violation(path, header, root):
    folder = path.split('/')[0]
    if (path, header) in BESIDE:
        return None
    if not os.path.isfile(os.path.join(root, header)):
        return 'is no path from the root'
    if header.endswith('.c'):
        return 'is no header'
    for part, allowed in {**PURE_FOLDERS, **SHELL_FOLDERS}.items():
        if path.startswith(part + '/') and not any(header == a or header.startswith(a + '/') for a in allowed):
            return f'may not be seen by {part}'
    if folder not in LAYERS or header.split('/')[0] in LAYERS[folder]:
        return None
    if folder in ('demo-app', 'docs') and header in PUBLIC_HEADERS:
        return None
    return f'may not be seen by {folder}'


def violations(root):
    found = []
    for path in tree.c_files(root):
        text = tree.without_comments(tree.read(path, root))
        for mark, header in INCLUDE.findall(text):
            reason = None
            if mark == '"':
                reason = quoted_violation(path, header, root)
            elif is_impure(path, header):
                reason = "is none of C's own headers"
            elif re.match(r'msgpack\b', header) and path not in MSGPACK_USERS:
                reason = 'is for wire/writer.c only'
            if reason:
                found.append(f'{path}: {header} {reason}')
    return found


def expect_planted(path, header):
    with tree.Planted({path: f'#include {header}\n', 'meshd/io/there.h': '', 'meshd/local/there.h': '', 'discovery/there.h': ''}) as root:
        found = violations(root)
    expect(any(f.startswith(path) for f in found), f'{path} may include {header}: {found}')


def every_include_points_downwards():
    expect_equal(violations(tree.ROOT), [])


def an_upward_include_is_found():
    expect_planted('base/planted.c', '"wire/page.h"')
    expect_planted('wire/planted.h', '"libcachemesh/cachemesh.h"')
    expect_planted('libcachemesh/planted.c', '"discovery/there.h"')
    expect_planted('meshctl/planted.c', '"meshd/io/there.h"')


def an_include_that_is_not_from_the_root_is_found():
    expect_planted('wire/planted.c', '"page.h"')
    expect_planted('wire/planted.c', '"../wire/page.h"')


def the_demo_and_the_examples_see_public_headers_only():
    expect_planted('demo-app/planted.c', '"wire/page.h"')
    expect_planted('docs/examples/planted.c', '"base/time.h"')
    expect_planted('demo-app/planted.c', '"libcachemesh/session/space.h"')
    both = '#include "libcachemesh/cachemesh.h"\n#include "libcachemesh/cachemesh-session.h"\n'
    with tree.Planted({'demo-app/planted.c': both}) as root:
        expect_equal(violations(root), violations(tree.ROOT))


def a_system_header_in_a_pure_part_is_found():
    expect_planted('meshd/core/planted.c', '<sys/socket.h>')
    expect_planted('meshd/core/planted.c', '<time.h>')
    expect_planted('meshd/session/planted.c', '<time.h>')
    expect_planted('discovery/schedule.c', '<pthread.h>')


def msgpack_is_seen_by_the_writer_only():
    expect_planted('meshctl/planted.c', '<msgpack.h>')
    expect_planted('wire/reader.c', '<msgpack/unpack.h>')


def the_core_sees_neither_io_nor_discovery():
    expect_planted('meshd/core/planted.c', '"meshd/io/there.h"')
    expect_planted('meshd/core/planted.c', '"discovery/there.h"')


def the_shell_sees_nothing_of_what_stands_on_it():
    expect_planted('meshd/io/planted.c', '"meshd/options/config.h"')
    expect_planted('meshd/options/planted.c', '"meshd/mesh/link.h"')
    expect_planted('meshd/mesh/planted.c', '"meshd/local/there.h"')
    expect_planted('meshd/local/planted.c', '"meshd/daemon.h"')


def the_session_store_sees_neither_io_nor_the_core():
    expect_planted('meshd/session/planted.c', '"meshd/io/there.h"')
    expect_planted('meshd/session/planted.c', '"meshd/core/core.h"')
    expect_planted('meshd/core/planted.c', '"meshd/session/store.h"')


run([every_include_points_downwards, an_upward_include_is_found, an_include_that_is_not_from_the_root_is_found,
     the_demo_and_the_examples_see_public_headers_only, a_system_header_in_a_pure_part_is_found,
     msgpack_is_seen_by_the_writer_only, the_core_sees_neither_io_nor_discovery,
     the_shell_sees_nothing_of_what_stands_on_it, the_session_store_sees_neither_io_nor_the_core])
