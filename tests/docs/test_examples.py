#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The C of the pages: what has a main() compiles with the installed header and library and runs against a mesh, what is said to be "in:
FILE" is in that file, and the lines of README.md do what their comments say.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import pages  # noqa: E402 pylint: disable=wrong-import-position
import mesh  # noqa: E402 pylint: disable=wrong-import-position
from mesh import expect, expect_equal, run  # noqa: E402 pylint: disable=wrong-import-position
import session  # noqa: E402 pylint: disable=wrong-import-position

README = 'README.md'
DEADLINE_S = 90
FLAGS = ('-std=c99', '-D_POSIX_C_SOURCE=200809L', '-Wall', '-Wextra', '-Werror', '-O1')
BLOCKS = [block for page in pages.markdown_pages() for block in pages.blocks(page, pages.read(page)) if block.language == 'c']

# What README.md's lines stand in: an app with a database of one row, and another process that has it cached.
AROUND = '''
static const char *stored = "old";
static size_t db_read_user(void *db, const void *key, size_t key_len, char *row, size_t size)
{{
        size_t n = strlen(stored);
        (void)db; (void)key; (void)key_len;
        memcpy(row, stored, n < size ? n : size);
        return n;
}}
static void db_write_user(void *db, const char *key, const char *row)
{{ (void)db; (void)key; stored = row; }}
{functions}
int main(void)
{{
        struct cm *cm;
        struct cm_region *users;
        struct cm_value value = {{0}};
        struct cm_result result = {{0}};
        void *db = NULL;
        const char *row = "new";
        int before, others;
{opening}
        if (cm_get(users, "42", 2, &value) != CM_MISS) return 1;
{reading}
        before = value.len == 3 && memcmp(value.data, "old", 3) == 0;
        cm_release(&value);
{changing}
        others = (int)result.n_applied;
{reading}
        if (!before || others != 1 || value.len != 3 || memcmp(value.data, "new", 3) != 0) return 2;
        cm_release(&value);
        cm_result_clear(&result);
        cm_close(cm);
        return 0;
}}
'''


def readme_block():
    return next(block for block in BLOCKS if block.page == README)


def readme_program():
    """The lines up to the first call at the margin are declarations; the calls are open, open, get, write, invalidate."""
    functions, calls = re.split(r'^(?=\w+\()', readme_block().text, maxsplit=1, flags=re.MULTILINE)
    calls = calls.splitlines()
    expect_equal([line.split('(')[0] for line in calls],
                 ['cm_open', 'cm_region_open', 'cm_get_or_load', 'db_write_user', 'cm_invalidate'])
    include, functions = functions.split('\n', 1)
    return '#include <string.h>\n' + include + AROUND.format(
        functions=functions, opening='\n'.join(calls[:2]), reading=calls[2], changing='\n'.join(calls[3:]))


class Workshop:
    """A directory with an installed library, and a mesh of two nodes."""

    def __init__(self, directory, around):
        self.directory = directory
        installed = session.Installed(directory)
        self.socket = around.start(2)[0].socket
        self.environment = {**mesh.clean_environment(), **installed.environment(), 'CACHEMESH_SOCKET': self.socket}
        self.n_programs = 0

    def call(self, *command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=self.environment, timeout=DEADLINE_S, check=False)
        expect(done.returncode == 0, f'{" ".join(command)}: exit status {done.returncode}\n{done.stdout}')
        return done.stdout

    def compile(self, text):
        self.n_programs += 1
        program = os.path.join(self.directory, f'program-{self.n_programs}')
        with open(program + '.c', 'w', encoding='utf-8') as f:
            f.write(text)
        self.call('cc', *FLAGS, '-o', program, program + '.c', '-pthread',
                  *self.call('pkg-config', '--cflags', '--libs', 'cachemesh').split())
        return program

    def run(self, text):
        return self.call(self.compile(text))


SHOP = None


def the_lines_of_the_readme_do_what_they_say():
    SHOP.run(readme_program())


def a_wrong_line_of_the_readme_is_noticed():
    text = readme_program()
    for old, new in (('cm_region_open(&users, cm, "users", NULL)', 'cm_region_open(&users, "users", NULL)'),
                     ('cm_invalidate(users, "42", 2, CM_WAIT_MESH', 'cm_invalidate(users, "43", 2, CM_WAIT_MESH')):
        expect(old in text, f'{old} is not in README.md')
        try:
            SHOP.run(text.replace(old, new))
        except AssertionError:
            continue
        raise AssertionError(f'{new} was not noticed')


def is_complete(block):
    return re.search(r'\bmain\(', block.text) is not None


def complete_programs_run():
    for block in BLOCKS:
        if is_complete(block):
            SHOP.run(block.text)


def parts_are_in_the_file_that_the_page_names():
    """Line by line; how deep a line stands does not matter."""
    for block in BLOCKS:
        if block.page == README or is_complete(block):
            continue
        found = re.match(r'in: (\S+)$', block.info)
        expect(found, f'{block.where()}: neither a whole program nor "in: FILE"')
        whole = [line.strip() for line in pages.read(found[1]).splitlines()]
        part = [line.strip() for line in block.text.splitlines()]
        expect(any(whole[i:i + len(part)] == part for i in range(len(whole))), f'{block.where()}: not in {found[1]}')


def main():
    global SHOP  # pylint: disable=global-statement
    status = 1
    with tempfile.TemporaryDirectory(prefix='cm.') as directory, mesh.Mesh() as around:
        SHOP = Workshop(directory, around)
        try:
            run([the_lines_of_the_readme_do_what_they_say, a_wrong_line_of_the_readme_is_noticed, complete_programs_run,
                 parts_are_in_the_file_that_the_page_names])
        except SystemExit as e:
            status = e.code
    sys.exit(status)


main()
