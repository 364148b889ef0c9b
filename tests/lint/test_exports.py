#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What an app sees of libcachemesh: the exported symbols are those of the version script and of its headers (cachemesh.h,
and extension.h for what only libcachemesh-session uses, under a version of its own), the library needs libc only, and
the header is C99 and C++.
"""
import glob
import os
import re
import tempfile

import tree
from tap import Skip, expect, expect_equal, run

HEADER = 'libcachemesh/cachemesh.h'
SESSION_HEADER = 'libcachemesh/cachemesh-session.h'
SESSION_SCRIPT = 'libcachemesh/session/libcachemesh-session.map'
EXTENSION = 'libcachemesh/extension.h'
PRIVATE = 'CACHEMESH_PRIVATE_0'
SCRIPT = 'the version script'
LIBC = {'libc.so.6', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'}


def declared(header):
    """Functions of the public header: a name before the parenthesis of its arguments, in a CM_API declaration."""
    text = re.sub(r'^\s*#[^\n]*(\\\n[^\n]*)*', '', tree.without_comments(header), flags=re.MULTILINE)
    return set(re.findall(r'\bCM_API\b[^;{]*?\b((?:cm|cmi_ext)_\w+)\s*\(', text))


def scripted(script):
    """Names listed as global in the version script."""
    text = tree.without_comments(script)
    found = set()
    for part in re.findall(r'global:(.*?)(?:local:|\})', text, flags=re.DOTALL):
        found |= {name.strip() for name in part.split(';') if name.strip()}
    return found


def private_names(library):
    """What the library exports under its private version."""
    return {line.split()[-1].split('@')[0] for line in tree.output('nm', '-D', '--defined-only', library).splitlines()
            if line.endswith('@' + PRIVATE)}


def exported(library):
    """Functions and data an app can link to; the version's own name is an absolute symbol and does not count."""
    found = set()
    for line in tree.output('nm', '-D', '--defined-only', library).splitlines():
        kind, name = line.split()[-2:]
        if kind != 'A':
            found.add(name.split('@')[0])
    return found


def needed(library):
    return set(re.findall(r'\(NEEDED\).*\[(.*)\]', tree.output('readelf', '-dW', library)))


def differences(header, script, library):
    names = {HEADER: declared(header), SCRIPT: scripted(script), 'the library': exported(library)}
    everywhere = set.intersection(*names.values())
    return [f'{name} is in {where} only partly' for where, seen in names.items() for name in sorted(seen - everywhere)]


def built_library():
    found = glob.glob(os.path.join(tree.BUILD, 'libcachemesh', 'libcachemesh.so*'))
    found = [f for f in found if os.path.isfile(f) and not os.path.islink(f)]
    if not found and not os.path.exists(os.path.join(tree.ROOT, 'libcachemesh', 'meson.build')):
        raise Skip('libcachemesh is not built')
    expect_equal(len(found), 1)
    return found[0]


def session_library():
    found = glob.glob(os.path.join(tree.BUILD, 'libcachemesh', 'session', 'libcachemesh-session.so*'))
    found = [f for f in found if os.path.isfile(f) and not os.path.islink(f)]
    expect_equal(len(found), 1)
    return found[0]


def exports_version_script_and_header_agree():
    library = built_library()
    scripts = [f for f in tree.files() if re.fullmatch(r'libcachemesh/[^/]*\.(map|sym)', f)]
    expect_equal(len(scripts), 1)
    expect_equal(differences(tree.read(HEADER) + tree.read(EXTENSION), tree.read(scripts[0]), library), [])


def the_same_holds_for_libcachemesh_session():
    expect_equal(differences(tree.read(SESSION_HEADER), tree.read(SESSION_SCRIPT), session_library()), [])


def libcachemesh_session_needs_libsodium_beside():
    expect_equal(needed(session_library()) - LIBC, {'libcachemesh.so.0', 'libsodium.so.23'})


def what_is_for_libcachemesh_session_only_has_a_version_of_its_own():
    expect_equal(private_names(built_library()), declared(tree.read(EXTENSION)))
    expect_equal({name for name in exported(built_library()) if name.startswith('cmi_')}, declared(tree.read(EXTENSION)))


def each_side_that_differs_is_found():
    header = 'CM_API int cm_a(int x); /* CM_API int cm_no(void); */\nCM_API const char *\ncm_b(\n int);'
    script = 'V_1 { global: cm_a; cm_b; local: *; };'
    with tempfile.TemporaryDirectory() as directory:
        library = tree.compile_in(directory, 'int cm_a(int x) { return x; } int cm_b(int x) { return x; }',
                                  '-shared', '-fPIC')
        expect_equal(differences(header, script, library), [])
        expect(differences(header + 'CM_API void cm_c(void);', script, library), 'a declaration too many')
        expect(differences(header, script.replace('cm_b;', ''), library), 'a name missing in the script')
        library = tree.compile_in(directory, 'int cm_a(int x) { return x; } int cm_b, cm_z;', '-shared', '-fPIC')
        expect(differences(header, script, library), 'an export too many')


def the_library_needs_libc_only():
    expect_equal(needed(built_library()) - LIBC, set())


def a_library_that_needs_more_is_found():
    with tempfile.TemporaryDirectory() as directory:
        library = tree.compile_in(directory, 'double sin(double); double f(double x) { return sin(x); }', '-shared',
                                  '-fPIC', '-Wl,--no-as-needed', '-lm')
        expect_equal(needed(library) - LIBC, {'libm.so.6'})


def compile_header(compiler, suffix, *flags):
    with tempfile.TemporaryDirectory() as directory:
        source = os.path.join(directory, 'user' + suffix)
        with open(source, 'w', encoding='utf-8') as f:
            f.write(f'#include "{SESSION_HEADER}"\n#include "{HEADER}"\nint main(void) {{ return cm_version()[0] == 0; }}\n')
        tree.output(compiler, *flags, '-Wall', '-Wextra', '-Werror', '-pedantic-errors', '-I', tree.ROOT,
                    '-fsyntax-only', source)


def the_header_is_c99():
    compile_header('cc', '.c', '-std=c99')


def the_header_is_cplusplus():
    compile_header('c++', '.cc', '-std=c++11')


run([exports_version_script_and_header_agree, the_same_holds_for_libcachemesh_session,
     libcachemesh_session_needs_libsodium_beside, what_is_for_libcachemesh_session_only_has_a_version_of_its_own,
     each_side_that_differs_is_found, the_library_needs_libc_only, a_library_that_needs_more_is_found, the_header_is_c99,
     the_header_is_cplusplus])
