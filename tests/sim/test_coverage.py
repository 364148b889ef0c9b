# SPDX-License-Identifier: MIT
"""Which lines of meshd/core the simulator runs.

The core is compiled once more, with gcc's --coverage, and linked with the simulator that the build has made. Counted are
lines with code in meshd/core/*.c, as gcov tells them. `python3 tests/sim/test_coverage.py . build lines` prints those that no
seed has reached.
"""
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'lint'))
import tap  # pylint: disable=wrong-import-position

SOURCE = pathlib.Path(sys.argv[1]).resolve()
BUILD = pathlib.Path(sys.argv[2]).resolve()
IS_LISTING = sys.argv[3:] == ['lines']
# 93 when this was written. What is missing is what only tests/meshd plays: tables that are full, and what operators ask for.
LEAST_PERCENT = 90
SEEDS = 1000


def compile_core(directory):
    objects = []
    for entry in json.loads((BUILD / 'compile_commands.json').read_text(encoding='utf-8')):
        if not entry['output'].startswith('meshd/core/libcore.a.p/'):
            continue
        name = pathlib.Path(entry['file']).name
        target = directory / (name + '.o')
        words = shlex.split(entry['command'])
        for option in ('-MQ', '-MF', '-o', '-c'):
            at = words.index(option)
            del words[at:at + 2]
        words = [word for word in words if word not in ('-MD', '-O2', '-O3', '-D_FORTIFY_SOURCE=2', '-Werror')]
        words += ['-O0', '--coverage', '-c', str((BUILD / entry['file']).resolve()), '-o', str(target)]
        subprocess.run(words, cwd=BUILD, check=True)
        objects.append(target)
    tap.expect(objects, 'the build has no core')
    return objects


def run_seeds(directory):
    program = directory / 'meshsim'
    shell = sorted((BUILD / 'tests/sim/meshsim.p').glob('*.o'))
    libraries = [BUILD / 'meshd/bridge/libbridge.a', BUILD / 'meshd/session/libsession.a', BUILD / 'wire/libwire.a', BUILD / 'base/libbase.a']
    subprocess.run(['cc', '--coverage', *compile_core(directory), *shell, *libraries, '-o', program], cwd=BUILD, check=True)
    subprocess.run([program, '--seeds', str(SEEDS)], cwd=directory, check=True, stdout=subprocess.DEVNULL)


def read_counts(directory):
    """{file: {line: times}}"""
    counts = {}
    for notes in sorted(directory.glob('*.gcda')):
        out = subprocess.run(['gcov', '--json-format', '--stdout', notes.name], cwd=directory, check=True, capture_output=True)
        for file in json.loads(out.stdout)['files']:
            path = pathlib.Path(BUILD, file['file']).resolve()
            if path.suffix == '.c' and path.parent == SOURCE / 'meshd/core':
                counts.setdefault(path.name, {}).update((line['line_number'], line['count']) for line in file['lines'])
    return counts


def print_missed(name, lines):
    text = (SOURCE / 'meshd/core' / name).read_text(encoding='utf-8').splitlines()
    for number in sorted(lines):
        if lines[number] == 0:
            print(f'# {name}:{number}: {text[number - 1]}')


def nine_in_ten_lines_of_the_core_are_run():
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        run_seeds(directory)
        counts = read_counts(directory)
    n_all = n_run = 0
    for name, lines in sorted(counts.items()):
        run = sum(1 for times in lines.values() if times)
        print(f'# {name:12} {run:4} of {len(lines):4} lines, {100 * run / len(lines):.1f} %')
        n_all += len(lines)
        n_run += run
        if IS_LISTING:
            print_missed(name, lines)
    print(f'# {"meshd/core":12} {n_run:4} of {n_all:4} lines, {100 * n_run / n_all:.1f} %')
    tap.expect(100 * n_run >= LEAST_PERCENT * n_all, f'less than {LEAST_PERCENT} % of the lines are run')


tap.run([nine_in_ten_lines_of_the_core_are_run])
