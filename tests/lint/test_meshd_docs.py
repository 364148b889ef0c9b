#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
docs/reference/meshd.md knows each option of meshd --help, its exit statuses and each log event in the sources, and nothing else;
so does docs/how-to/troubleshoot.md with the reasons that meshd and the library give, and meshctl's manual with its statuses.
"""
import os
import re

import tree
from tap import Skip, expect_equal, run

PAGE = 'docs/reference/meshd.md'
TROUBLE = 'docs/how-to/troubleshoot.md'
CORE = [path for path in tree.c_files(tree.ROOT) if path.startswith('meshd/core/') and path.endswith('.c')]
MANUAL = 'docs/man/meshctl.1.scd'
EVENT = re.compile(r'(?:logger|logger_cause|log_about)\([^;]*?"([a-z]+\.[a-z_]+)"')


def page_cells(title, page=PAGE):
    """First cells of the tables below a heading."""
    text = tree.read(page).split(f'## {title}\n', 1)[1].split('\n## ', 1)[0]
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


def code(*paths):
    """The sources without comments, strings that go over several lines as one."""
    return re.sub(r'"\s*"', '', ''.join(tree.without_comments(tree.read(path)) for path in paths))


def in_code(*names):
    """Names as the page has them between backquotes."""
    return sorted(set(re.findall(r'`([^`]+)`', ' '.join(names))))


def function(name, text):
    return re.search(rf'^\S[^;{{}}]*\b{name}\([^;{{}}]*\)\n{{\n(.*?)^}}', text, re.MULTILINE | re.DOTALL)[1]


def each_reason_why_a_node_is_not_live_is_explained():
    text = code('meshd/core/core.c')
    reasons = re.findall(r'return "([^"]+)"', function('obstacle', text))
    reasons += re.findall(r'set_state\(core, now, CORE_JOINING, "([^"]+)"', text)
    reasons += [found + '...' for found in re.findall(r'core_text\(core->reason, "(refused: )"', code('meshd/core/refusal.c'))]
    reasons += [found + '...' for found in re.findall(r'ROOM_REASON "([^:"]+: )', code('meshd/core/state.h'))]
    expect_equal(in_code(page_cells('This node is not live', TROUBLE)), sorted(set(reasons)))


def each_refusal_is_explained():
    text = re.sub(r'member_set_state\([^;]*;', '', code('meshd/core/link.c', 'meshd/core/refusal.c'))
    texts = [one for one in re.findall(r'"([^"\n]*)"', text) if one.count(' ') > 1]
    expect_equal(in_code(page_cells('Refused', TROUBLE)), sorted(set(texts)))


def each_cause_of_forgetting_is_explained():
    core = code(*CORE)
    texts = re.findall(r'apply_forget\([^;"]*"([^"]+)"', core)
    cells = page_cells('The cache was forgotten', TROUBLE)
    expect_equal(in_code(cells.replace('`msg`', '')), sorted(set(texts)))


def each_reason_of_a_lost_stream_is_explained():
    text = code('meshd/daemon.c')
    text = ''.join(function(name, text) for name in ('reason_of_file', 'tell_lost_stream', 'tell_lost_intents'))
    texts = re.findall(r'(?:= |return |"error", |\? )"([^"]+)"', text)
    expect_equal(in_code(page_cells('The stream was lost', TROUBLE).replace('`error`', '')), sorted(texts))


def each_cause_of_a_change_is_explained():
    texts = []
    for statement in re.findall(r'member_set_state\(([^;]*);', code(*CORE)):
        texts += re.findall(r'"([^"]+)"', statement)
    cells = page_cells('Why a peer changed its state', TROUBLE)
    expect_equal(in_code(cells), sorted(set(texts)))


def each_state_of_a_connection_is_explained():
    text = code(*[path for path in tree.c_files(tree.ROOT) if re.match(r'libcachemesh/connection\w*\.c', path)])
    reasons = re.findall(r'(?:lose|go_without_page)\(connection,\s*"([^"]+)"', text)
    for statement in re.findall(r'reason = ([^;]*);', text):
        reasons += re.findall(r'"([^"]+)"', statement)
    reasons += re.findall(r'shortage_reason\(\w+,\s*"([^"]+)"', text)
    for name in ('bypass_reason', 'connect_reason', 'shortage_reason'):
        reasons += re.findall(r'return "([^"]+)"', function(name, text))
    expect_equal(in_code(page_cells('What an app says of its connection', TROUBLE)), sorted(set(reasons)))


def each_reason_of_a_dns_failure_is_explained():
    text = code('meshd/mesh/resolver.c', 'discovery/dns_source.h')
    reasons = re.findall(r'return "([^"]+)"', function('failure_text', text))
    reasons += re.findall(r'\.why = "([^"]+)"', text) + re.findall(r'#define DNS_TOO_LATE "([^"]+)"', text)
    expect_equal(in_code(page_cells('DNS does not help', TROUBLE)), sorted(set(reasons)))


def each_reason_of_a_miss_is_explained():
    reasons = re.findall(r'\b(CM_REASON_\w+) =', tree.read('libcachemesh/cachemesh.h'))
    expect_equal(in_code(page_cells('The cache does not hit', TROUBLE)), sorted(reasons))


def each_state_of_a_member_is_explained():
    states = re.findall(r'"(\w+)"', function('core_member_state_text', code('meshd/core/member.c')))
    described = in_code(page_cells('A peer is not live', TROUBLE))
    expect_equal(sorted(described + ['live']), sorted(set(states) - {'unknown'}))


def statuses_of(text):
    return sorted(int(number) for number in re.findall(r'(?:^|[,:])\s*(\d+) ', text))


def exit_statuses_are_those_of_the_help():
    for program, described in (('meshd', re.findall(r'\b\d+\b', page_cells('Signals and exit status'))),
                               ('meshctl', re.findall(r'^\|[\[ ]\s*(\d+)$', tree.read(MANUAL), re.MULTILINE))):
        path = os.path.join(tree.BUILD, program, program)
        if not os.path.exists(path):
            raise Skip(f'{program} is not built')
        text = re.search(r'^exit status: (.*)', tree.output(path, '--help'), re.MULTILINE | re.DOTALL | re.IGNORECASE)[1]
        expect_equal((program, sorted(map(int, described))), (program, statuses_of(text.replace('\n', ' '))))


run([each_option_is_described, each_event_is_described, each_reason_why_a_node_is_not_live_is_explained,
     each_refusal_is_explained, each_cause_of_forgetting_is_explained,
     each_reason_of_a_lost_stream_is_explained, each_cause_of_a_change_is_explained,
     each_state_of_a_connection_is_explained, each_reason_of_a_dns_failure_is_explained, each_reason_of_a_miss_is_explained, each_state_of_a_member_is_explained, exit_statuses_are_those_of_the_help])
