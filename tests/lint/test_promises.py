#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
docs/explanation/promises.md names tests that exist and planted bugs that can be planted, each of which is built by the suite, and
leaves none out. docs/explanation/rules.md names functions, bugs, tests and cases that exist, and none of the core's bugs is left out.
"""
import json
import re

import tree
from tap import expect_equal, run

PAGE = 'docs/explanation/promises.md'
RULES = 'docs/explanation/rules.md'
LISTED = re.compile(r'^ +X\(([A-Z0-9_]+)\)', re.MULTILINE)
IN_CODE = re.compile(r'MUTANT\(([A-Z0-9_]+)\)|#\s*ifn?def CM_MUTANT_([A-Z0-9_]+)')


def cells():
    """What stands between backquotes in the rows of the tables."""
    rows = [line for line in tree.read(PAGE).splitlines() if line.startswith('| ')]
    return set(re.findall(r'`([A-Za-z0-9_]+)`', ' '.join(rows)))


def tests():
    return {one['name'] for one in json.loads(tree.output('meson', 'introspect', '--tests', tree.BUILD))}


def listed():
    """What the simulator chooses from."""
    return set(LISTED.findall(tree.read('meshd/core/mutant.h')))


def planted(paths):
    found = set()
    for path in paths:
        for pair in IN_CODE.findall(tree.read(path)):
            found |= set(pair) - {''}
    return found - {'name', 'NAME'}


def product():
    folders = ('base/', 'wire/', 'discovery/', 'libcachemesh/', 'meshd/')
    return [path for path in tree.c_files(tree.ROOT) if path.startswith(folders)]


def builds():
    """Bugs that the suite builds one by one: in the scripts of the build."""
    text = ' '.join(tree.read(path) for path in tree.files() if path.startswith('tests/') and path.endswith('meson.build'))
    return {name for name in planted(product()) - listed() if name in text or f"'{name.lower()}'" in text}


def each_planted_bug_stands_on_the_page_and_no_other():
    named = {name for name in cells() if name.isupper()}
    expect_equal(sorted(named), sorted(listed() | planted(product())))


def each_planted_bug_is_built_by_the_suite():
    expect_equal(sorted(planted(product()) - listed() - builds()), [])


def each_test_that_is_named_exists():
    named = {name for name in cells() if name.islower()}
    expect_equal(sorted(named - tests()), [])


def rules():
    """Rows of the tables of rules: the rule, where, planted bug, tests."""
    rows = [line.strip('|').split(' | ') for line in tree.read(RULES).splitlines() if line.startswith('| ')]
    return [row for row in rows if len(row) == 4 and '---' not in row[0]]


def quoted(column, pattern):
    return {name for row in rules() for name in re.findall(f'`({pattern})`', row[column])}


def is_defined(function, sources):
    return any(re.search(rf'^\S.*\b{function}\(', source, re.MULTILINE) for source in sources)


def each_function_and_file_that_keeps_a_rule_exists():
    sources = [tree.read(path) for path in product()]
    missing = [name for name in quoted(1, r'\w+\(\)') if not is_defined(name[:-2], sources)]
    files = {path for path in product() if path.endswith('.c')}
    missing += [name for name in quoted(1, r'[\w/]+\.c') if not any(('/' + path).endswith('/' + name) for path in files)]
    expect_equal(sorted(missing), [])


def each_rule_that_the_core_can_leave_out_is_in_the_list():
    named = quoted(2, '[A-Z0-9_]+')
    expect_equal(sorted(listed() - named), [])
    expect_equal(sorted(named - listed() - planted(product())), [])


def each_test_and_case_of_the_list_exists():
    sources = ' '.join(tree.read(path) for path in tree.files() if path.startswith('tests/') and path.endswith(('.c', '.py')))
    words = set(re.findall(r'\w+', sources))
    expect_equal(sorted(quoted(3, '[a-z0-9_]+') - tests() - words), [])


if __name__ == '__main__':
    run([each_planted_bug_stands_on_the_page_and_no_other,
         each_planted_bug_is_built_by_the_suite,
         each_test_that_is_named_exists,
         each_function_and_file_that_keeps_a_rule_exists,
         each_rule_that_the_core_can_leave_out_is_in_the_list,
         each_test_and_case_of_the_list_exists])
