#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What the pages say about the tree: docs/README.md lists every page, links and paths lead somewhere, commands name what
exists, and the C of README.md compiles.
"""
import os
import re
import tempfile

import tree
from tap import expect, expect_equal, run

PAGE_ENDINGS = ('.md', '.scd')
LINK = re.compile(r'\]\(([^)#:]+)(?:#[^)]*)?\)')
# The first word of an indented command that is a path of the tree.
COMMAND = re.compile(r'^    ((?:tests|demo-app)/[\w./-]+)', re.MULTILINE)
DOCS_PATH = re.compile(r'\bdocs/[\w./-]+\.(?:md|scd)\b')

# What the README's lines stand in: an app with a database.
AROUND = '''
static size_t db_read_user(void *db, const void *key, size_t key_len, char *row, size_t size)
{{ (void)db; (void)key; (void)key_len; row[0] = 0; return size > 0; }}
static void db_write_user(void *db, const char *key, const char *row)
{{ (void)db; (void)key; (void)row; }}
{functions}
int main(void)
{{
        struct cm *cm;
        struct cm_region *users;
        struct cm_value value = {{0}};
        struct cm_result result = {{0}};
        void *db = NULL;
        const char *row = "";
{calls}
        return 0;
}}
'''


def pages(root=tree.ROOT):
    return [f for f in tree.files(root) if f.endswith(PAGE_ENDINGS)]


def exists(path, root=tree.ROOT):
    return os.path.exists(os.path.join(root, path))


def links(page):
    directory = os.path.dirname(page)
    return {os.path.normpath(os.path.join(directory, link)) for link in LINK.findall(tree.read(page))}


def readme_program():
    """README.md's C as a program: up to the first call at the margin it is declarations, then statements."""
    text = re.search(r'^```c\n(.*?)^```', tree.read('README.md'), re.MULTILINE | re.DOTALL)[1]
    include, rest = text.split('\n', 1)
    functions, calls = re.split(r'^(?=\w+\()', rest, maxsplit=1, flags=re.MULTILINE)
    return include + AROUND.format(functions=functions, calls=calls)


def docs_readme_lists_every_page():
    listed = links('docs/README.md')
    missing = [p for p in pages() if p.startswith('docs/') and p != 'docs/README.md' and p not in listed]
    expect_equal(missing, [])


def every_link_leads_to_a_file():
    expect_equal([f'{page}: {link}' for page in pages() for link in sorted(links(page)) if not exists(link)], [])


def every_page_named_in_a_source_exists():
    named = {(f, path) for f in tree.source_files() for path in DOCS_PATH.findall(tree.read(f))}
    expect_equal(sorted(f'{f}: {path}' for f, path in named if not exists(path)), [])


def every_command_names_a_program_of_the_tree():
    commands = {(page, path) for page in pages() for path in COMMAND.findall(tree.read(page))}
    expect({'demo-app/run', 'tests/run'} <= {path for _, path in commands}, 'the two commands are not found')
    expect_equal(sorted(f'{page}: {path}' for page, path in commands
                        if not os.access(os.path.join(tree.ROOT, path), os.X_OK)), [])


def every_folder_of_the_readme_exists():
    table = tree.read('README.md').split('## Folders\n', 1)[1]
    named = {name for row in re.findall(r'^\| (`.*?) \|', table, re.MULTILINE) for name in re.findall(r'`(\S+?)/`', row)}
    kept = {f.split('/')[0] for f in tree.files() if '/' in f and not f.startswith('.')}
    expect_equal(sorted(named), sorted(kept))


def the_c_of_the_readme_compiles():
    with tempfile.TemporaryDirectory() as directory:
        tree.compile_in(directory, readme_program(), '-c', '-std=c99', '-Wall', '-Wextra', '-Werror',
                        '-I', os.path.join(tree.ROOT, 'libcachemesh'))


run([docs_readme_lists_every_page, every_link_leads_to_a_file, every_page_named_in_a_source_exists,
     every_command_names_a_program_of_the_tree, every_folder_of_the_readme_exists, the_c_of_the_readme_compiles])
