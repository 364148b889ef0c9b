#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The audit that follows each step of a scenario notices each thing that it is there for, and nothing on a good day."""
import hosts  # noqa: F401 pylint: disable=unused-import
import audit
from mesh import BROKEN, expect, expect_equal, run

GOOD = {'fds': 40, 'rss_kib': 8000, 'lease_left_ms': 300, 'lease_ms': 400, 'state': 'live', 'log_lines': 20, 'is_broken': False}


def noticed(**changes):
    return audit.problems_of(GOOD, {**GOOD, **changes})


def a_node_as_it_was_has_no_problems():
    expect_equal(noticed(), [])
    expect_equal(noticed(fds=41, rss_kib=9000, log_lines=60, lease_left_ms=0, state='joining'), [])


def descriptors_and_memory_that_grow_are_noticed():
    expect('descriptors' in noticed(fds=GOOD['fds'] + audit.MORE_DESCRIPTORS + 1)[0], 'descriptors')
    expect('memory' in noticed(rss_kib=GOOD['rss_kib'] + audit.MORE_KIB + 1)[0], 'memory')


def a_lease_that_is_too_long_and_an_unknown_state_are_noticed():
    expect('lease' in noticed(lease_left_ms=401)[0], 'lease')
    expect('state' in noticed(state='lost')[0], 'state')


def a_log_that_floods_or_reports_a_broken_invariant_is_noticed():
    expect('lines' in noticed(log_lines=GOOD['log_lines'] + audit.LOG_LINES_STEP + 1)[0], 'lines')
    expect('broken' in noticed(is_broken=True)[0], 'broken')
    expect(BROKEN.search("meshd: apply.c:1: apply: Assertion `x' failed."), 'an assertion')


if __name__ == '__main__':
    run([a_node_as_it_was_has_no_problems,
         descriptors_and_memory_that_grow_are_noticed,
         a_lease_that_is_too_long_and_an_unknown_state_are_noticed,
         a_log_that_floods_or_reports_a_broken_invariant_is_noticed])
