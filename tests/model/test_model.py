#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Verify a Promela model with Spin, whole, and then without each of its rules: every name MUTANT_... in the model is a rule
that can be left out, and Spin must find a run in which the property then fails. What the rules are is said in the models.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lint'))
from tap import Skip, expect, run  # noqa: E402  pylint: disable=wrong-import-position

SECONDS = 600
DEPTH = 200000
MEMORY_MIB = 4000


def verify(model, mutant=None):
    """Return what the verifier printed. Breadth first where an error is expected: it is then the shortest one."""
    with tempfile.TemporaryDirectory(prefix='cachemesh-model.') as place:
        def call(*command, may_fail=False):
            done = subprocess.run(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  stdin=subprocess.DEVNULL, timeout=SECONDS, check=False)
            expect(may_fail or done.returncode == 0, f'{command[0]}: {done.stdout}')
            return done.stdout

        shutil.copy(model, os.path.join(place, 'model.pml'))
        call('spin', '-a', *([f'-D{mutant}'] if mutant else []), 'model.pml')
        call('cc', '-O2', '-DSAFETY', f'-DMEMLIM={MEMORY_MIB}', *(['-DBFS'] if mutant else []), '-o', 'pan', 'pan.c')
        seen = call('./pan', '-n', f'-m{DEPTH}', may_fail=True)
        if mutant and 'errors: 1' in seen:
            trail = call('spin', '-t', '-p', f'-D{mutant}', 'model.pml', may_fail=True)
            print(f'# {mutant}: {trail.count(chr(10))} lines in its shortest run', flush=True)
        return seen


def whole(model):
    def the_property_holds_in_every_run():
        if not shutil.which('spin'):
            raise Skip('spin is not installed')
        seen = verify(model)
        expect('errors: 0' in seen, seen)
        for limit in ('max search depth too small', 'Search not completed', 'out of memory'):
            expect(limit not in seen, seen)
        print('# ' + re.search(r'(\d+) states, stored', seen).group(0), flush=True)
    return the_property_holds_in_every_run


def without(model, mutant):
    def case():
        if not shutil.which('spin'):
            raise Skip('spin is not installed')
        seen = verify(model, mutant)
        expect('errors: 1' in seen and 'assertion violated' in seen, f'{mutant} breaks nothing:\n{seen}')
    case.__name__ = mutant.lower() + '_breaks_it'
    return case


def main():
    model = sys.argv[1]
    with open(model, encoding='utf-8') as file:
        mutants = sorted(set(re.findall(r'^#(?:if|ifn)def (MUTANT_\w+)', file.read(), re.MULTILINE)))
    run([whole(model)] + [without(model, mutant) for mutant in mutants])


if __name__ == '__main__':
    main()
