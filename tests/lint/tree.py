# SPDX-License-Identifier: MIT
"""The files of the tree, copies of it to plant violations in, and the programs that the lint tests call."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.getcwd()
BUILD = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(ROOT, 'build')
SOURCE_ENDINGS = ('.c', '.h', '.cc', '.py', '.sh', '.bats', '.awk', '.js', '.pml')
PAGE_ENDINGS = ('.md', '.scd')
SOURCE_NAMES = ('meson.build', 'meson_options.txt', 'run')


def files(root=ROOT):
    """Paths relative to the root, without build directories and hidden ones (but .ci)."""
    found = []
    for directory, names, filenames in os.walk(root):
        is_top = directory == root
        names[:] = sorted(n for n in names if n == '.ci' or not (
            n.startswith('.') or n in ('__pycache__', 'node_modules') or (is_top and n.startswith('build'))))
        found += [os.path.relpath(os.path.join(directory, name), root) for name in sorted(filenames)]
    return found


def c_files(root=ROOT):
    return [f for f in files(root) if f.endswith(('.c', '.h'))]


def pages(root=ROOT):
    return [f for f in files(root) if f.endswith(PAGE_ENDINGS)]


def source_files(root=ROOT):
    """What people write by hand: C, scripts, Meson."""
    return [f for f in files(root) if f.endswith(SOURCE_ENDINGS) or os.path.basename(f) in SOURCE_NAMES]


def read(path, root=ROOT):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace') as f:
        return f.read()


def without_comments(text):
    """C without comments; the line numbers stay."""
    return re.sub(r'/\*.*?\*/', lambda m: '\n' * m[0].count('\n'), re.sub(r'//[^\n]*', '', text), flags=re.DOTALL)


class Planted:
    """A copy of the sources with some files added or replaced, as a context manager that yields its root."""

    def __init__(self, planted):
        self.planted = planted
        self.directory = tempfile.TemporaryDirectory()

    def __enter__(self):
        root = self.directory.name
        for path in source_files():
            target = os.path.join(root, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(os.path.join(ROOT, path), target)
        shutil.copyfile(os.path.join(ROOT, '.clang-format'), os.path.join(root, '.clang-format'))
        for path, text in self.planted.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), 'w', encoding='utf-8') as f:
                f.write(text)
        return root

    def __exit__(self, *unused):
        self.directory.cleanup()


def output(*command, **keywords):
    """Standard output and error of a command that must succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **keywords)
    if done.returncode != 0:
        raise AssertionError(f'{" ".join(command)}: exit {done.returncode}\n{done.stdout}')
    return done.stdout


def build_option(name):
    with open(os.path.join(BUILD, 'meson-info', 'intro-buildoptions.json'), encoding='utf-8') as f:
        return next(option['value'] for option in json.load(f) if option['name'] == name)


def compile_in(directory, text, *flags, name='planted'):
    """Compile C text to an object or program in the directory; returns its path."""
    source = os.path.join(directory, name + '.c')
    with open(source, 'w', encoding='utf-8') as f:
        f.write(text)
    target = os.path.join(directory, name + '.o')
    output('cc', '-O2', '-o', target, source, *flags)
    return target
