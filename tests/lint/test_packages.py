#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""packaging/build.sh with faked apt, dpkg, sudo, Meson and ninja: what is installed, how, and who may build when."""
import os
import stat
import subprocess
import tempfile
import time

import tree
from tap import expect, expect_equal, run

TOOLS = ['bash', 'cat', 'env', 'flock', 'grep', 'mkdir', 'mktemp', 'nproc', 'rm', 'sed', 'sleep', 'tee', 'touch']
FAKES = {
    # Installed is what has a file; apt-get install makes one for each package.
    'dpkg-query': '[ -e "$FAKES/installed-${!#}" ] && echo -n installed || exit 1',
    'apt-cache': '[ -e "$FAKES/fresh" ]',
    'apt-get': '''
echo "apt-get $*" >>"$FAKES/log"
if [ -e "$FAKES/busy" ]; then rm "$FAKES/busy"; echo 'E: Could not get lock /var/lib/apt/lists/lock.'; exit 100; fi
case "$*" in
*update) touch "$FAKES/fresh" ;;
*install*) [ -e "$FAKES/fresh" ] || exit 100
        for p; do case "$p" in lib*) touch "$FAKES/installed-$p" ;; esac; done ;;
esac''',
    'sudo': 'echo "sudo" >>"$FAKES/log"; exec "$@"',
    'id': 'echo "${FAKE_UID:-0}"',
    'meson': 'echo "meson $*" >>"$FAKES/log"; mkdir -p "$2"; touch "$2/build.ninja"',
}


class Machine:
    """A directory that is the whole PATH, and a tree whose package list names two packages and one for tests."""

    def __init__(self, *without):
        self.directory = tempfile.TemporaryDirectory(prefix='with space ')
        self.path = self.directory.name
        self.bin = os.path.join(self.path, 'bin')
        os.makedirs(self.bin)
        for tool in TOOLS:
            where = subprocess.run(['bash', '-c', f'type -P {tool}'], capture_output=True, text=True, check=True)
            os.symlink(where.stdout.strip(), os.path.join(self.bin, tool))
        for name, text in FAKES.items():
            if name not in without:
                self.fake(name, text)
        os.makedirs(os.path.join(self.path, 'packaging'))
        self.write('packaging/debian-packages', '# comment\nliba build\nlibb-dev build\nlibtest test\n')
        self.write('packaging/build.sh', tree.read('packaging/build.sh'))
        self.write('fresh', '')
        self.write('log', '')

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.directory.cleanup()

    def write(self, name, text):
        with open(os.path.join(self.path, name), 'w', encoding='utf-8') as f:
            f.write(text)

    def remove(self, name):
        os.unlink(os.path.join(self.path, name))

    def exists(self, name):
        return os.path.exists(os.path.join(self.path, name))

    def fake(self, name, text):
        self.write(os.path.join('bin', name), '#!/usr/bin/env bash\n' + text + '\n')
        os.chmod(os.path.join(self.bin, name), stat.S_IRWXU)

    def start(self, script, **environment):
        return subprocess.Popen([os.path.join(self.bin, 'bash'), '-c', 'set -euo pipefail; . packaging/build.sh; ' + script],
                                cwd=self.path, env={'PATH': self.bin, 'FAKES': self.path, **environment}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def call(self, script, **environment):
        process = self.start(script, **environment)
        text, _ = process.communicate(timeout=60)
        return process.returncode, text

    def log(self):
        with open(os.path.join(self.path, 'log'), encoding='utf-8') as f:
            return f.read()


def without_apt_the_list_is_printed_and_the_status_is_69():
    with Machine('apt-get', 'dpkg-query', 'apt-cache') as machine:
        status, text = machine.call('packages_ensure build test; echo went on')
        expect_equal(status, 69)
        expect(all(f'\n  {p}\n' in text for p in ('liba', 'libb-dev', 'libtest')), text)
        expect('went on' not in text, text)


def only_what_is_missing_is_installed_and_named():
    with Machine() as machine:
        machine.write('installed-liba', '')
        status, text = machine.call('packages_ensure build')
        expect_equal(status, 0)
        expect('Installing Debian packages: libb-dev\n' in text, text)
        expect('install' in machine.log() and 'libtest' not in machine.log() and 'sudo' not in machine.log(), machine.log())


def nothing_missing_means_that_apt_is_not_called():
    with Machine() as machine:
        for package in ('liba', 'libb-dev', 'libtest'):
            machine.write('installed-' + package, '')
        expect_equal(machine.call('packages_ensure build test'), (0, ''))
        expect_equal(machine.log(), '')


def old_package_lists_are_updated_first():
    with Machine() as machine:
        machine.remove('fresh')
        status, text = machine.call('packages_ensure build')
        expect_equal(status, 0)
        expect('update' in machine.log() and machine.exists('installed-libb-dev'), text + machine.log())


def a_busy_lock_is_waited_for():
    with Machine() as machine:
        machine.write('busy', '')
        status, text = machine.call('packages_ensure build')
        expect_equal(status, 0)
        expect("waiting for apt's lock" in text and machine.exists('installed-liba'), text)


def another_user_needs_sudo():
    with Machine() as machine:
        expect_equal(machine.call('packages_ensure build', FAKE_UID='1000')[0], 0)
        expect('sudo' in machine.log(), machine.log())
    with Machine('sudo') as machine:
        status, text = machine.call('packages_ensure build', FAKE_UID='1000')
        expect_equal(status, 69)
        expect('liba libb-dev' in text, text)


def a_package_that_does_not_exist_ends_with_69():
    with Machine() as machine:
        machine.fake('apt-get', 'echo "E: Unable to locate package"; exit 100')
        status, text = machine.call('packages_ensure build; echo went on')
        expect_equal(status, 69)
        expect('went on' not in text, text)


NINJA = '''
[ "$3" != -n ] || exit 1
echo begin >>"$FAKES/log"; while [ -e "$FAKES/hold" ]; do sleep 0.02; done; echo end >>"$FAKES/log"'''


def until(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        expect(time.monotonic() < deadline, 'never: ' + what)
        time.sleep(0.02)


def two_copies_build_one_after_the_other():
    with Machine() as machine:
        machine.fake('ninja', NINJA)
        machine.write('hold', '')
        copies = [machine.start('build_make "b d" -Dx=1; build_release')]
        until(lambda: 'begin' in machine.log(), 'the first build')
        copies.append(machine.start('build_make "b d" -Dx=1; build_release'))
        until(lambda: 'flock' in waiting_on(copies[1].pid), 'the second copy waits')
        machine.remove('hold')
        for copy in copies:
            text, _ = copy.communicate(timeout=60)
            expect_equal(copy.returncode, 0)
        expect_equal([line for line in machine.log().split('\n') if not line.startswith('meson')][:4],
                     ['begin', 'end', 'begin', 'end'])


def waiting_on(pid):
    """Names of the children of a process."""
    done = subprocess.run(['ps', '--ppid', str(pid), '-o', 'comm='], capture_output=True, text=True, check=False)
    return done.stdout


def a_failed_build_says_so_and_gives_the_lock_back():
    with Machine() as machine:
        machine.fake('ninja', 'exit 1')
        expect_equal(machine.call('build_make b || { flock -n -x b bash -c : && echo free; }')[1].splitlines()[-1], 'free')


run([without_apt_the_list_is_printed_and_the_status_is_69, only_what_is_missing_is_installed_and_named,
     nothing_missing_means_that_apt_is_not_called, old_package_lists_are_updated_first, a_busy_lock_is_waited_for,
     another_user_needs_sudo, a_package_that_does_not_exist_ends_with_69, two_copies_build_one_after_the_other,
     a_failed_build_says_so_and_gives_the_lock_back])
