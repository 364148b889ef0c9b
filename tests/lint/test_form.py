#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The form of sources and pages: licence line, length, width, format, no notes to oneself, scripts that parse."""
import os
import re
import subprocess

import tree
from tap import expect, expect_equal, run

LINES_MAX = 600
# The reference of the whole interface in one header, half of it comments.
LONGER_ALLOWED = {'libcachemesh/cachemesh.h'}
COLUMNS_MAX = 100
C_ENDINGS = ('.c', '.h', '.cc')
PROSE_COLUMNS_MAX = 132
NOTES = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b')
# Counting TAP needs the word that the others must not use.
NOTES_ALLOWED = {'tests/tally.py', 'tests/lint/test_tally.py', 'tests/lint/test_form.py'}


def without_licence(root):
    return [f for f in tree.source_files(root)
            if 'SPDX-License-Identifier: MIT' not in '\n'.join(tree.read(f, root).splitlines()[:2])]


def too_long(root):
    return [f for f in tree.source_files(root)
            if f not in LONGER_ALLOWED and tree.read(f, root).count('\n') > LINES_MAX]


def too_wide(root):
    """clang-format breaks code, but neither comments nor what stands between its switches."""
    return [f'{f}:{number}' for f in tree.source_files(root) if f.endswith(C_ENDINGS)
            for number, line in enumerate(tree.read(f, root).split('\n'), 1) if len(line) > COLUMNS_MAX]


def too_wide_prose(root):
    """Rows of tables cannot be broken, and fences hold what programs print or read."""
    found = []
    for page in tree.pages(root):
        is_fenced = False
        for number, line in enumerate(tree.read(page, root).split('\n'), 1):
            is_fenced ^= line.lstrip().startswith('```')
            if len(line) > PROSE_COLUMNS_MAX and not is_fenced and not line.startswith('|'):
                found.append(f'{page}:{number}')
    return found


def with_notes(root):
    return [f for f in tree.source_files(root) if f not in NOTES_ALLOWED and NOTES.search(tree.read(f, root))]


def unformatted(root):
    program = 'clang-format-14'
    done = subprocess.run([program, '--dry-run', '-Werror', '--style=file', *tree.c_files(root)], cwd=root, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    found = sorted(set(re.findall(r'^([^\s:]+):\d+:\d+: error:', done.stdout, re.MULTILINE)))
    return found if found or done.returncode == 0 else [done.stdout]


def unparsable_scripts(root):
    found = []
    for path in tree.source_files(root):
        if tree.read(path, root).startswith('#!/usr/bin/env bash') or path.endswith('.sh'):
            done = subprocess.run(['bash', '-n', os.path.join(root, path)], capture_output=True, check=False)
            if done.returncode != 0:
                found.append(path)
    return found


def expect_only(check, path, text):
    with tree.Planted({path: text}) as root:
        expect(path in check(root), f'{check.__name__} overlooks {text[:40]!r} in {path}')


def every_source_has_its_licence_line():
    expect_equal(without_licence(tree.ROOT), [])


def a_missing_licence_line_is_found():
    expect_only(without_licence, 'wire/planted.c', 'int x;\n')
    expect_only(without_licence, 'tests/planted/meson.build', 'foo = 1\n')


def no_source_has_more_than_600_lines():
    expect_equal(too_long(tree.ROOT), [])


def a_longer_source_is_found():
    expect_only(too_long, 'wire/planted.c', '\n' * 601)


def no_line_of_c_has_more_than_100_columns():
    expect_equal(too_wide(tree.ROOT), [])


def a_wider_line_is_found():
    comment = ' * ' + 'x' * 98
    with tree.Planted({'wire/planted.h': f'/*\n{comment}\n */\n', 'wire/good.h': comment[:100]}) as root:
        expect_equal([f for f in too_wide(root) if f.startswith('wire/')], ['wire/planted.h:2'])


def no_line_of_prose_has_more_than_132_columns():
    expect_equal(too_wide_prose(tree.ROOT), [])


def a_wider_line_of_prose_is_found():
    wide = 'x' * 133
    with tree.Planted({'demo-app/planted.md': f'{wide[1:]}\n{wide}\n| {wide} |\n```text\n{wide}\n```\n{wide}\n',
                       'packaging/planted.1.scd': f'\t{wide[1:]}\n'}) as root:
        expect_equal(too_wide_prose(root), ['demo-app/planted.md:2', 'demo-app/planted.md:7', 'packaging/planted.1.scd:1'])


def no_source_holds_a_note_to_its_author():
    expect_equal(with_notes(tree.ROOT), [])


def a_note_to_its_author_is_found():
    expect_only(with_notes, 'wire/planted.c', '/* TODO: write it */\n')


def all_c_is_formatted():
    expect_equal(unformatted(tree.ROOT), [])


def unformatted_c_is_found():
    expect_only(unformatted, 'wire/planted.c', 'int f(void) { return 1; }\n')


def all_scripts_parse():
    expect_equal(unparsable_scripts(tree.ROOT), [])


def a_script_that_does_not_parse_is_found():
    expect_only(unparsable_scripts, 'tests/planted.sh', 'if true; then\n')


run([every_source_has_its_licence_line, a_missing_licence_line_is_found, no_source_has_more_than_600_lines,
     a_longer_source_is_found, no_line_of_c_has_more_than_100_columns, a_wider_line_is_found,
     no_line_of_prose_has_more_than_132_columns, a_wider_line_of_prose_is_found, no_source_holds_a_note_to_its_author,
     a_note_to_its_author_is_found, all_c_is_formatted, unformatted_c_is_found, all_scripts_parse,
     a_script_that_does_not_parse_is_found])
