#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/reference/meshd.md knows each option of meshd --help, each log event in the sources, and nothing else."""
import os
import re

import tree
from tap import Skip, expect_equal, run

PAGE = 'docs/reference/meshd.md'
EVENT = re.compile(r'(?:logger|log_about)\([^;]*?"([a-z]+\.[a-z_]+)"')


def page_cells(title):
    """First cells of the first table below a heading."""
    text = tree.read(PAGE).split(f'## {title}\n', 1)[1].split('\n## ', 1)[0]
    return ' '.join(re.findall(r'^\| ([^|]*) \|', text, re.MULTILINE))


def each_option_is_described():
    program = os.path.join(tree.BUILD, 'meshd', 'meshd')
    if not os.path.exists(program):
        raise Skip('meshd is not built')
    options = re.findall(r'^  (--[a-z-]+)', tree.output(program, '--help'), re.MULTILINE)
    described = re.findall(r'`(--[a-z-]+)`', page_cells('Options') + page_cells('Files'))
    expect_equal(sorted(set(described)), sorted(options))


def each_event_is_described():
    events = set()
    for path in tree.c_files(tree.ROOT):
        if path.startswith('meshd/'):
            events |= set(EVENT.findall(tree.without_comments(tree.read(path))))
    described = re.findall(r'`([a-z]+\.[a-z_]+)`', page_cells('Log'))
    expect_equal(sorted(described), sorted(events))


run([each_option_is_described, each_event_is_described])
