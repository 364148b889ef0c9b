#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Count the TAP cases in Meson's test logs and decide whether the run passed.

Meson counts programs, takes "no plan and exit 0" for a success and ignores nested cases; here each of these is a
failure. How the programs are started, and which, is left to tests/run.
"""
import argparse
import fnmatch
import json
import os
import re
import sys

CASE = re.compile(r'(not )?ok\b(?:\s+(\d+))?(?:\s*-)?\s*(.*)$')
PLAN = re.compile(r'1\.\.(\d+)\s*(?:#\s*(skip)\b\s*(.*))?$', re.IGNORECASE)
DIRECTIVE = re.compile(r'(?:^|\s)#\s*(skip|todo)\b\s*(.*)$', re.IGNORECASE)


class Tally:
    """Passed cases as a number; failed and skipped ones as (program, case, reason)."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def total(self):
        return self.passed + len(self.failed) + len(self.skipped)

    def last_line(self):
        return f'{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped'


class Reader:
    """Reads the output of one program."""

    def __init__(self, program):
        self.program = program
        self.tally = Tally()
        self.plan = None
        self.n_cases = 0
        self.nested_failure = None

    def fail(self, case, reason):
        self.tally.failed.append((self.program, case, reason))

    def skip(self, case, reason):
        self.tally.skipped.append((self.program, case, reason))

    def line(self, line):
        text = line.strip()
        if text.startswith('Bail out!'):
            self.fail('', text)
        elif line[:1].isspace():
            self.nested(text)
        elif PLAN.match(text):
            self.read_plan(PLAN.match(text))
        elif CASE.match(text):
            self.case(CASE.match(text))

    def nested(self, text):
        case = CASE.match(text)
        if case and case[1] and not DIRECTIVE.search(case[3]):
            self.nested_failure = case[3]

    def read_plan(self, plan):
        if self.plan is not None:
            self.fail('', 'a second plan')
            return
        self.plan = int(plan[1])
        if self.plan == 0 and plan[2]:
            self.skip('', plan[3])
        elif self.plan == 0:
            self.fail('', 'a plan of no cases')

    def case(self, case):
        self.n_cases += 1
        directive = DIRECTIVE.search(case[3])
        name = DIRECTIVE.sub('', case[3]).strip()
        nested, self.nested_failure = self.nested_failure, None
        if case[2] and int(case[2]) != self.n_cases:
            self.fail(name, f'case number {case[2]} where {self.n_cases} was due')
        elif directive and directive[1].lower() == 'todo':
            if case[1]:
                self.skip(name, 'todo: ' + directive[2])
            else:
                self.fail(name, 'passes, but is marked todo')
        elif case[1]:
            self.fail(name, 'not ok')
        elif nested is not None:
            self.fail(name, f'says ok, but its nested case failed: {nested}')
        elif directive:
            self.skip(name, directive[2])
        else:
            self.tally.passed += 1

    def end(self, returncode, result):
        """What only shows when the program has ended: each fault counts once, and only if no case explains it."""
        if self.tally.failed:
            return
        if result == 'TIMEOUT':
            self.fail('', 'timeout')
        elif result == 'INTERRUPT':
            self.fail('', 'interrupted')
        elif returncode != 0:
            self.fail('', f'exit status {returncode}')
        elif self.plan is None:
            self.fail('', 'no plan')
        elif self.plan != self.n_cases:
            self.fail('', f'{self.n_cases} cases where {self.plan} were planned')
        elif result not in ('OK', 'SKIP'):
            self.fail('', f'Meson says {result}')


def tally_program(program, stdout, returncode, result='OK'):
    reader = Reader(program)
    for line in stdout.splitlines():
        reader.line(line)
    reader.end(returncode, result)
    return reader.tally


def tally_log(path, flavour, status):
    """One log of Meson (a JSON object a line); status is the exit status of that `meson test`."""
    tally = Tally()
    lines = []
    if os.path.exists(path):
        with open(path, encoding='utf-8') as log:
            lines = [json.loads(line) for line in log if line.strip()]
    for entry in lines:
        program = entry['name'].split(':', 1)[-1]
        program = re.sub(r'^.* / ', '', program)
        program = f'{program}@{flavour}' if flavour else program
        tally.add(tally_program(program, entry['stdout'], entry['returncode'], entry['result']))
    if status != 0 and not tally.failed:
        tally.failed.append((flavour or 'tests', '', f'the build or the run ended with status {status}'))
    return tally


def tally_left(directory):
    """What tests have left in their temporary directory."""
    tally = Tally()
    tally.failed = [('tests', '', f'left behind: {os.path.join(directory, name)}') for name in sorted(os.listdir(directory))]
    return tally


def read_allowed(path):
    with open(path, encoding='utf-8') as f:
        return [line.strip() for line in f if line.strip() and not line.startswith('#')]


def is_allowed(skip, allowed):
    """Program, case and reason, each by itself: no wildcard reaches from one into the next."""
    program, case, reason = skip
    seen = (program.split('@')[0], case or '*', reason)
    return any(len(line) == len(seen) and all(map(fnmatch.fnmatchcase, seen, line))
               for line in (pattern.split(': ', 2) for pattern in allowed))


def describe(entry):
    program, case, reason = entry
    return f'{program}: {case}: {reason}' if case else f'{program}: {reason}'


def report(tally, allowed, is_strict, out):
    """Print what did not pass and the last line; return the exit status."""
    if is_strict:
        refused = [skip for skip in tally.skipped if not is_allowed(skip, allowed)]
        tally.skipped = [skip for skip in tally.skipped if is_allowed(skip, allowed)]
        tally.failed += [(p, c, f'skipped, which is not allowed here: {r}') for p, c, r in refused]
    for skip in tally.skipped:
        print('SKIPPED ' + describe(skip), file=out)
    for failure in tally.failed:
        print('FAILED  ' + describe(failure), file=out)
    if tally.total() == 0:
        print('FAILED  no test was run', file=out)
    print(tally.last_line(), file=out)
    return 1 if tally.failed or tally.passed == 0 else 0


def main(argv):
    parser = argparse.ArgumentParser(description='Count TAP cases in the logs of meson test.')
    parser.add_argument('--allowed-skips', metavar='FILE', help='with CI=true other skips are failures')
    parser.add_argument('--empty', metavar='DIRECTORY', help='fails if anything was left in it')
    parser.add_argument('logs', nargs='*', metavar='FLAVOUR,STATUS,LOG')
    args = parser.parse_args(argv)
    tally = Tally()
    for log in args.logs:
        flavour, status, path = log.split(',', 2)
        tally.add(tally_log(path, flavour, int(status)))
    if args.empty:
        tally.add(tally_left(args.empty))
    allowed = read_allowed(args.allowed_skips) if args.allowed_skips else []
    return report(tally, allowed, os.environ.get('CI') == 'true', sys.stdout)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
