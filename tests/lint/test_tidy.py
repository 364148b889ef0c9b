#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-tidy with the checks of .clang-tidy over everything that is compiled."""
import concurrent.futures
import json
import os
import re
import subprocess
import tempfile

import tree
from tap import expect, expect_equal, run

TIDY = ['clang-tidy-14', '--quiet', '--extra-arg=-Wno-unknown-warning-option']


def complaints(*arguments, root=tree.ROOT):
    """Lines that name a check; a run that fails without one is reported whole."""
    done = subprocess.run([*TIDY, '--config-file=' + os.path.join(tree.ROOT, '.clang-tidy'), *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root, check=False)
    found = re.findall(r'^.*(?:error|warning): .*\[[^\]]+\]$', done.stdout, re.MULTILINE)
    return found if found or done.returncode == 0 else [done.stdout + done.stderr]


def first_commands():
    """One compile command for each source: clang-tidy would run all, and planted bugs compile the same file often."""
    with open(os.path.join(tree.BUILD, 'compile_commands.json'), encoding='utf-8') as f:
        entries = json.load(f)
    commands = {}
    for entry in sorted(entries, key=lambda e: 'CM_MUTANT_' in e['command']):
        path = os.path.normpath(os.path.join(entry['directory'], entry['file']))
        if path.endswith('.c'):
            commands.setdefault(path, {**entry, 'file': path})
    return commands


def compiled_sources_are_tidy():
    commands = first_commands()
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        with open(os.path.join(directory, 'compile_commands.json'), 'w', encoding='utf-8') as f:
            json.dump(list(commands.values()), f)
        found = [c for cs in pool.map(lambda path: complaints('-p', directory, path), sorted(commands)) for c in cs]
    expect_equal(sorted(set(found)), [])


def planted(text):
    with tempfile.TemporaryDirectory() as directory:
        source = os.path.join(directory, 'planted.c')
        with open(source, 'w', encoding='utf-8') as f:
            f.write(text)
        return ' '.join(complaints(source, '--', '-std=gnu17', root=directory))


def clean_code_has_no_complaint():
    expect_equal(planted('int f(int x)\n{\n        if (x) {\n                return 1;\n        }\n        return 0;\n}\n'), '')


def missing_braces_are_found():
    expect('braces-around' in planted('int f(int x)\n{\n        if (x)\n                return 1;\n        return 0;\n}\n'),
           'an if without braces')


def a_function_over_60_lines_is_found():
    body = '        x += 1;\n' * 61
    expect('function-size' in planted('int f(int x)\n{\n' + body + '        return x;\n}\n'), 'a long function')


def a_suspicious_size_is_found():
    text = '#include <string.h>\nvoid f(char *x)\n{\n        memset(x, 0, sizeof(sizeof(x)));\n}\n'
    expect('bugprone' in planted(text), 'the size of a size')


run([compiled_sources_are_tidy, clean_code_has_no_complaint, missing_braces_are_found, a_function_over_60_lines_is_found,
     a_suspicious_size_is_found])
