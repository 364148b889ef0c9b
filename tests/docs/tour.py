# SPDX-License-Identifier: MIT
"""Goes through the commands of one page in a session, and says what is not as the page has it."""
import contextlib
import os
import re
import subprocess

import mesh
import pages
import shape

# Pages that begin where another mesh already runs: this many nodes; the first one's socket is in CACHEMESH_SOCKET.
MESHES = {'docs/man/meshctl.1.scd': 3, 'docs/how-to/troubleshoot.md': 2}
HELP_OF = {}


class Wrong(AssertionError):
    pass


def problem(block, command, text):
    return Wrong(f'{block.where()}: {command.strip()}\n{text}')


def is_status_shown(steps, number):
    """Does the next command show this one's exit status? Then any is right that it shows."""
    return number + 1 < len(steps) and re.match(r'echo \$\?\s*$', steps[number + 1][0]) is not None


def play(block, session):
    steps = block.steps()
    for number, (command, shown) in enumerate(steps):
        status, printed = session.run(command)
        if status != 0 and not is_status_shown(steps, number):
            raise problem(block, command, f'exit status {status}\n' + '\n'.join(printed))
        # An exit status is no value that may differ.
        is_same = shown == printed[-1:] if command.startswith('echo $?') else shown is None or shape.matches(shown, printed)
        if not is_same:
            raise problem(block, command, difference(shown or [], printed))


def difference(shown, printed):
    return '\n'.join(['the page shows:', *shown, 'it prints:', *printed,
                      'as shapes:', *shape.of_lines(shape.trim(shown)), '--', *shape.of_lines(shape.trim(printed))])


@contextlib.contextmanager
def surroundings(page):
    """Environment variables for the page's session."""
    if page not in MESHES:
        yield {}
        return
    with mesh.Mesh() as around:
        nodes = around.start(MESHES[page])
        yield {'CACHEMESH_SOCKET': nodes[0].socket}


def walk(page, blocks, make_session):
    """All commands of the page in one session; nothing may be left running."""
    with surroundings(page) as variables:
        session = make_session(variables)
        try:
            for block in blocks:
                if block.is_commands() and block.reason is None:
                    play(block, session)
        finally:
            left = session.close()
    mesh.expect(not left, f'{page}: still running at its end: {left}')


# Commands that are not run: their programs and flags

def help_of(program, verb=None):
    key = (program, verb)
    if key not in HELP_OF:
        arguments = [program] + ([verb] if verb else []) + ['--help']
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=30, check=False)
        if done.returncode != 0:
            raise Wrong(f'{" ".join(arguments)}: exit status {done.returncode}')
        HELP_OF[key] = done.stdout
    return HELP_OF[key]


def of_tree(word):
    """Path of a program of this project, or None."""
    if '/' in word:
        path = os.path.join(pages.ROOT, word)
        if not os.access(path, os.X_OK):
            raise Wrong(f'{word} is no program of the tree')
        return path
    return {'meshd': os.path.join(mesh.BUILD, 'meshd', 'meshd'),
            'meshctl': os.path.join(mesh.BUILD, 'meshctl', 'meshctl')}.get(word)


def check_flags(block):
    """A command that is not run names a program that exists and flags that its help has."""
    for command, _ in block.steps():
        for one in pages.words(command):
            while one and re.match(r'^\w+=|^sudo$', one[0]):
                one = one[1:]
            program = of_tree(one[0]) if one and not one[0].startswith('/') else None
            if program is None:
                continue
            verb = one[1] if os.path.basename(program) == 'meshctl' and len(one) > 1 and one[1][0] != '-' else None
            for flag in (word.split('=')[0] for word in one[1:] if word.startswith('--') and word != '--'):
                if not re.search(rf'(?<![\w-]){flag}(?![\w-])', help_of(program, verb)):
                    raise problem(block, command, f'{flag} is not in its --help')
