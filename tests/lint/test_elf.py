#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hardening of what is shipped: position independent, relocations read-only, no executable stack, stack protector."""
import glob
import os
import re
import tempfile

import tree
from tap import Skip, expect, expect_equal, run

PROGRAM_FOLDERS = ['meshd', 'meshctl', 'demo-app']
LIBRARIES = ['libcachemesh/libcachemesh.so*', 'libcachemesh/session/libcachemesh-session.so*']


def faults(path, is_fortified):
    """What is missing in this ELF file."""
    text = tree.output('readelf', '-hldW', path)
    symbols = tree.output('readelf', '-sW', path)
    checks = {
        'position independence': re.search(r'Type:\s+DYN', text),
        'GNU_RELRO': 'GNU_RELRO' in text,
        'immediate binding': re.search(r'\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW', text),
        'a stack that is not executable': re.search(r'GNU_STACK\s.*\sRW\s', text),
        'the stack protector': '__stack_chk_fail' in symbols,
        'no segment both writable and executable': not re.search(r'LOAD\s.*\sRWE\s', text),
    }
    if is_fortified:
        checks['fortified calls'] = re.search(r'__\w+_chk\b(?<!__stack_chk)', symbols)
    return [name for name, is_kept in checks.items() if not is_kept]


def is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK) and open(path, 'rb').read(4) == b'\x7fELF'


def shipped():
    programs = [f for folder in PROGRAM_FOLDERS for f in sorted(glob.glob(os.path.join(tree.BUILD, folder, '*')))]
    found = [f for pattern in LIBRARIES for f in glob.glob(os.path.join(tree.BUILD, pattern))]
    libraries = [f for f in found if os.path.isfile(f) and not os.path.islink(f)]
    return [(p, True) for p in programs if is_program(p)] + [(f, False) for f in libraries]


def all_that_is_shipped_is_hardened():
    if not shipped():
        raise Skip('nothing that ships is built')
    found = [(os.path.basename(path), fault) for path, is_fortified in shipped() for fault in faults(path, is_fortified)]
    expect_equal(found, [])


TEXT = '''
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) { char text[64]; memcpy(text, argv[0], (size_t) argc * 9); return puts(text); }
'''


def planted_faults(*flags):
    with tempfile.TemporaryDirectory() as directory:
        good = ['-fPIE', '-pie', '-Wl,-z,relro,-z,now', '-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2']
        return faults(tree.compile_in(directory, TEXT, *good, *flags), True)


def each_missing_measure_is_found():
    expect_equal(planted_faults(), [])
    expect('position independence' in planted_faults('-no-pie', '-fno-pie'), 'no PIE')
    expect('immediate binding' in planted_faults('-Wl,-z,lazy'), 'lazy binding')
    expect('GNU_RELRO' in planted_faults('-Wl,-z,norelro'), 'no RELRO')
    expect('a stack that is not executable' in planted_faults('-z', 'execstack'), 'executable stack')
    expect('the stack protector' in planted_faults('-fno-stack-protector'), 'no stack protector')
    expect('fortified calls' in planted_faults('-U_FORTIFY_SOURCE'), 'not fortified')


if tree.build_option('b_sanitize') != 'none':
    print('1..0 # SKIP sanitizers link otherwise')
else:
    run([all_that_is_shipped_is_hardened, each_missing_measure_is_found])
