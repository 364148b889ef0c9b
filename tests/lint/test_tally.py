#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The counter of tests/run against hand-written TAP: each way to look green without being it must count as a failure."""
import io
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tally  # noqa: E402
import tree  # noqa: E402
from tap import expect, expect_equal, run  # noqa: E402


def counts(stdout, returncode=0, result='OK'):
    seen = tally.tally_program('p', stdout, returncode, result)
    return (seen.passed, len(seen.failed), len(seen.skipped))


def passing_cases_are_counted():
    expect_equal(counts('1..2\nok 1 a\nok 2 b\n'), (2, 0, 0))
    expect_equal(counts('TAP version 13\n# random seed: 1\nok 1 - a\nok 2\n1..2\n'), (2, 0, 0))


def a_failing_case_counts_once_whatever_the_exit_status():
    expect_equal(counts('1..2\nok 1 a\nnot ok 2 b\n', 1, 'FAIL'), (1, 1, 0))
    expect_equal(counts('1..2\nok 1 a\nnot ok 2 b\n', 0, 'FAIL'), (1, 1, 0))


def no_plan_with_exit_0_fails():
    expect_equal(counts('ok 1 a\n'), (1, 1, 0))


def no_output_fails():
    expect_equal(counts('', 0, 'SKIP'), (0, 1, 0))


def an_early_exit_0_fails():
    expect_equal(counts('1..3\nok 1 a\n'), (1, 1, 0))


def more_cases_than_planned_fail():
    expect_equal(counts('1..1\nok 1 a\nok 2 b\n'), (2, 1, 0))


def a_nonzero_exit_without_a_failing_case_fails():
    expect_equal(counts('1..1\nok 1 a\n', 1), (1, 1, 0))
    expect_equal(counts('1..1\nok 1 a\n', -11), (1, 1, 0))


def a_timeout_fails():
    expect_equal(counts('', -15, 'TIMEOUT'), (0, 1, 0))


def bail_out_fails():
    expect_equal(counts('1..2\nok 1 a\nBail out! no memory\n', 1), (1, 1, 0))
    expect_equal(counts('1..1\nok 1 a\n    Bail out! in a nested case\n'), (1, 1, 0))


def skips_are_neither_passed_nor_failed():
    expect_equal(counts('1..2\nok 1 a # SKIP no route\nok 2 b\n'), (1, 0, 1))
    expect_equal(counts('1..0 # skip no such kernel\n', 0, 'SKIP'), (0, 0, 1))


def a_skip_that_is_not_ok_fails():
    expect_equal(counts('1..1\nnot ok 1 a # SKIP\n'), (0, 1, 0))


def an_empty_plan_without_a_reason_fails():
    expect_equal(counts('1..0\n'), (0, 1, 0))


def a_todo_counts_as_skipped_and_fails_when_it_passes():
    expect_equal(counts('1..1\nnot ok 1 a # TODO later\n'), (0, 0, 1))
    expect_equal(counts('1..1\nok 1 a # TODO later\n'), (0, 1, 0))


def nested_cases_do_not_count_but_their_failure_does():
    expect_equal(counts('1..1\n    1..2\n    ok 1 x\n    ok 2 y\nok 1 a\n'), (1, 0, 0))
    expect_equal(counts('1..1\n    1..2\n    ok 1 x\n    not ok 2 y\nok 1 a\n'), (0, 1, 0))
    expect_equal(counts('1..1\n    not ok 1 x\nnot ok 1 a\n', 1), (0, 1, 0))


def wrong_numbers_fail():
    expect_equal(counts('1..2\nok 1 a\nok 1 a again\n'), (1, 1, 0))


def two_plans_fail():
    expect_equal(counts('1..1\nok 1 a\n1..1\nok 1 a\n')[1], 2)


def words_that_begin_with_ok_are_no_cases():
    expect_equal(counts('1..1\nokay\nok 1 a\nnot okay\n'), (1, 0, 0))


def written_log(directory, entries):
    path = os.path.join(directory, 'log.json')
    with open(path, 'w', encoding='utf-8') as log:
        for name, stdout, returncode in entries:
            entry = {'name': name, 'stdout': stdout, 'returncode': returncode, 'result': 'OK'}
            log.write(json.dumps(entry) + '\n')
    return path


def reported(whole, allowed=(), is_strict=False):
    out = io.StringIO()
    status = tally.report(whole, list(allowed), is_strict, out)
    return status, out.getvalue().splitlines()


def the_last_line_holds_the_sums_of_all_programs():
    with tempfile.TemporaryDirectory() as directory:
        path = written_log(directory, [
            ('cachemesh:wire / page', '1..2\nok 1 a\nnot ok 2 b\n', 1), ('cachemesh:x / y', '1..1\nok 1 a # SKIP\n', 0)])
        status, lines = reported(tally.tally_log(path, 'asan', 1))
    expect_equal(status, 1)
    expect('FAILED  page@asan: b: not ok' in lines, lines)
    expect_equal(lines[-1], '1 passed, 1 failed, 1 skipped')


def a_run_that_failed_without_a_failing_program_fails():
    with tempfile.TemporaryDirectory() as directory:
        path = written_log(directory, [('page', '1..1\nok 1 a\n', 0)])
        expect_equal(reported(tally.tally_log(path, '', 0))[0], 0)
        expect_equal(reported(tally.tally_log(path, '', 1))[1][-1], '1 passed, 1 failed, 0 skipped')


def what_tests_leave_behind_fails():
    with tempfile.TemporaryDirectory() as directory:
        seen = tally.tally_program('p', '1..1\nok 1 a\n', 0)
        seen.add(tally.tally_left(directory))
        expect_equal(reported(seen)[0], 0)
        os.mkdir(os.path.join(directory, 'cm.x'))
        seen.add(tally.tally_left(directory))
        status, lines = reported(seen)
        expect_equal((status, lines), (1, [f'FAILED  tests: left behind: {directory}/cm.x', '1 passed, 1 failed, 0 skipped']))


def nothing_run_fails():
    status, lines = reported(tally.tally_log('/nonexistent', '', 0))
    expect_equal((status, lines[-1]), (1, '0 passed, 0 failed, 0 skipped'))


def only_skips_fail():
    expect_equal(reported(tally.tally_program('p', '1..0 # SKIP x\n', 0))[0], 1)


def a_strict_run_refuses_the_skips_that_are_not_listed():
    def seen():
        return tally.tally_program('p', '1..2\nok 1 a\nok 2 b # SKIP x\n', 0)
    expect_equal(reported(seen())[0], 0)
    expect_equal(reported(seen(), [], True)[1][-1], '1 passed, 1 failed, 0 skipped')
    expect_equal(reported(seen(), ['p: b: x'], True)[1][-1], '1 passed, 0 failed, 1 skipped')
    expect_equal(reported(seen(), ['p: *: *'], True)[1][-1], '1 passed, 0 failed, 1 skipped')
    expect_equal(reported(seen(), ['p: c: *', 'q: *: *'], True)[0], 1)


def a_strict_run_refuses_a_skip_for_another_reason():
    def status(reason):
        allowed = tally.read_allowed(os.path.join(tree.ROOT, 'tests', 'allowed-skips'))
        cases = tally.tally_program('lab_cluster', f'1..2\nok 1 a\nok 2 a_node_is_cut_off # SKIP {reason}\n', 0)
        return reported(cases, allowed, True)[0]
    expect_equal(status('no network namespaces here: Operation not permitted'), 0)
    expect_equal(status('no veth pairs here: RTNETLINK answers: Operation not permitted'), 0)
    expect_equal(status('no network namespaces here: No space left on device'), 1)
    expect_equal(status('later'), 1)
    expect_equal(status(''), 1)


def each_line_of_the_allowed_skips_names_a_program_a_case_and_a_reason():
    lines = tally.read_allowed(os.path.join(tree.ROOT, 'tests', 'allowed-skips'))
    expect_equal([line for line in lines if line.count(': ') < 2 or line.endswith(': *: *')], [])


run([passing_cases_are_counted, a_failing_case_counts_once_whatever_the_exit_status, no_plan_with_exit_0_fails,
     no_output_fails, an_early_exit_0_fails, more_cases_than_planned_fail,
     a_nonzero_exit_without_a_failing_case_fails, a_timeout_fails, bail_out_fails,
     skips_are_neither_passed_nor_failed, a_skip_that_is_not_ok_fails, an_empty_plan_without_a_reason_fails,
     a_todo_counts_as_skipped_and_fails_when_it_passes, nested_cases_do_not_count_but_their_failure_does,
     wrong_numbers_fail, two_plans_fail, words_that_begin_with_ok_are_no_cases,
     the_last_line_holds_the_sums_of_all_programs, a_run_that_failed_without_a_failing_program_fails,
     what_tests_leave_behind_fails, nothing_run_fails, only_skips_fail, a_strict_run_refuses_the_skips_that_are_not_listed,
     a_strict_run_refuses_a_skip_for_another_reason, each_line_of_the_allowed_skips_names_a_program_a_case_and_a_reason])
