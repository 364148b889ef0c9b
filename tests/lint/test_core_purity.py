#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
meshd/core and meshd/session ask the world for nothing: what their objects leave undefined, followed through wire and
base to the C library, is on a short list.
"""
import glob
import os
import re
import tempfile

import tree
from tap import Skip, expect, expect_equal, run

C_LIBRARY = {
    'memcpy', 'memmove', 'memset', 'memcmp', 'memchr', 'strlen', 'strnlen', 'strcmp', 'strncmp', 'strchr',
    '__memcpy_chk', '__memmove_chk', '__memset_chk',
    '__assert_fail', '__stack_chk_fail', '_GLOBAL_OFFSET_TABLE_',
}


def members(*archives):
    """A list of (name, defined symbols, undefined symbols), one for each object in the archives."""
    found = []
    for archive in archives:
        name = os.path.basename(archive)
        defined, undefined = set(), set()
        for line in tree.output('nm', '-A', archive).splitlines():
            where, kind, symbol = re.match(r'(.*):\s*[0-9a-f]*\s+(\S)\s+(\S+)$', line).groups()
            if where != name:
                defined, undefined = set(), set()
                found.append((where, defined, undefined))
                name = where
            (undefined if kind in 'Uw' else defined).add(symbol)
    return found


def violations(core, libraries):
    """Walk from the core's objects through those of the libraries that they use."""
    providers = {symbol: m for m in members(*libraries) for symbol in m[1]}
    waiting = members(*core)
    own = {symbol for m in waiting for symbol in m[1]}
    seen, found = set(), set()
    while waiting:
        name, _, undefined = waiting.pop()
        for symbol in undefined - own - C_LIBRARY - seen:
            seen.add(symbol)
            if symbol in providers:
                waiting.append(providers[symbol])
            else:
                found.add(f'{os.path.basename(name)}: {symbol}')
    return sorted(found)


def libraries():
    return glob.glob(os.path.join(tree.BUILD, 'base', '*.a')) + glob.glob(os.path.join(tree.BUILD, 'wire', '*.a'))


def violations_of(folder):
    pure = glob.glob(os.path.join(tree.BUILD, folder, '*.a'))
    if not os.path.exists(os.path.join(tree.ROOT, folder, 'meson.build')):
        raise Skip(f'there is no {folder}')
    expect(pure, f'no static library of {folder} in the build directory')
    return violations(pure, libraries())


def the_core_uses_no_socket_clock_thread_or_allocator():
    expect_equal(violations_of('meshd/core'), [])


def the_session_store_uses_none_either():
    expect_equal(violations_of('meshd/session'), [])


def planted_violations(core_text, base_text):
    with tempfile.TemporaryDirectory() as directory:
        core = tree.compile_in(directory, core_text, '-c', '-fno-builtin', name='core')
        base = tree.compile_in(directory, base_text, '-c', '-fno-builtin', name='base')
        archives = [os.path.join(directory, 'libcore.a'), os.path.join(directory, 'libbase.a')]
        tree.output('ar', 'rcsT', archives[0], core)
        tree.output('ar', 'rcsT', archives[1], base)
        return violations(archives[:1], archives[1:])


def a_core_that_reads_the_clock_is_found():
    found = planted_violations('long time(long *); long now(void) { return time(0); }', 'int unused;')
    expect_equal(found, ['core.o: time'])


def a_core_that_allocates_through_base_is_found():
    found = planted_violations('int helper(void); int f(void) { return helper(); }',
                               'void *malloc(unsigned long); int helper(void) { return !malloc(1); }')
    expect_equal(found, ['base.o: malloc'])


def copying_and_comparing_are_allowed():
    text = 'int memcmp(const void *, const void *, unsigned long); int f(void *x) { return memcmp(x, x, 2); }'
    expect_equal(planted_violations(text, 'void *malloc(unsigned long); void *unused(void) { return malloc(1); }'), [])


if tree.build_option('b_sanitize') != 'none':
    print('1..0 # SKIP a sanitizer adds its own symbols')
else:
    run([the_core_uses_no_socket_clock_thread_or_allocator, the_session_store_uses_none_either,
         a_core_that_reads_the_clock_is_found,
         a_core_that_allocates_through_base_is_found, copying_and_comparing_are_allowed])
