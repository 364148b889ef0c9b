#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What the pages say about the tree: docs/README.md lists every page, links and paths lead somewhere. Their commands and
their C are tests/docs/.
"""
import os
import re

import tree
from tap import expect_equal, run

LINK = re.compile(r'\]\(([^)#:]+)(?:#[^)]*)?\)')
DOCS_PATH = re.compile(r'\bdocs/[\w./-]+\.(?:md|scd)\b')


def exists(path, root=tree.ROOT):
    return os.path.exists(os.path.join(root, path))


def links(page):
    directory = os.path.dirname(page)
    return {os.path.normpath(os.path.join(directory, link)) for link in LINK.findall(tree.read(page))}


def docs_readme_lists_every_page():
    listed = links('docs/README.md')
    missing = [p for p in tree.pages() if p.startswith('docs/') and p != 'docs/README.md' and p not in listed]
    expect_equal(missing, [])


def every_link_leads_to_a_file():
    expect_equal([f'{page}: {link}' for page in tree.pages() for link in sorted(links(page)) if not exists(link)], [])


def every_page_named_in_a_source_exists():
    named = {(f, path) for f in tree.source_files() for path in DOCS_PATH.findall(tree.read(f))}
    expect_equal(sorted(f'{f}: {path}' for f, path in named if not exists(path)), [])


def every_folder_of_the_readme_exists():
    table = tree.read('README.md').split('## Folders\n', 1)[1]
    named = {name for row in re.findall(r'^\| (`.*?) \|', table, re.MULTILINE) for name in re.findall(r'`(\S+?)/`', row)}
    kept = {f.split('/')[0] for f in tree.files() if '/' in f and not f.startswith('.')}
    expect_equal(sorted(named), sorted(kept))


run([docs_readme_lists_every_page, every_link_leads_to_a_file, every_page_named_in_a_source_exists,
     every_folder_of_the_readme_exists])
