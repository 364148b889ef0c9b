# SPDX-License-Identifier: MIT
"""The fenced blocks of the pages, and the commands in them.

A fence has a language. `sh` is commands; `console` is commands after "$ " and what they print; `c` is C, with "in: FILE" lines of
that file; `text`, `hex`, `ini` and `yaml` are only shown. "not-tested: REASON" after the language says that the test cannot run it.
Nothing is run by this file.
"""
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.getcwd()
LANGUAGES = ('sh', 'console', 'c', 'text', 'hex', 'ini', 'yaml')
FENCE = re.compile(r'^ *```(.*)$')
NOT_TESTED = re.compile(r'^not-tested: (\S.*)$')
PLACES = ('docs', 'demo-app', 'tests', 'packaging')  # and the top


class Block:
    def __init__(self, page, line, info, text):
        self.page = page
        self.line = line
        self.language, _, self.info = info.strip().partition(' ')
        self.text = text
        found = NOT_TESTED.match(self.info)
        self.reason = found[1] if found else None

    def where(self):
        return f'{self.page}:{self.line}'

    def name(self):
        """As in the list of blocks that are not tested: it stays while lines move."""
        return f'{self.page}: ' + re.split(r'\s+#', self.text.strip().splitlines()[0])[0]

    def is_commands(self):
        return self.language in ('sh', 'console')

    def steps(self):
        """Pairs of a command and the lines that it must print (None: whatever)."""
        return console_steps(self) if self.language == 'console' else shell_steps(self)


def markdown_pages(root=ROOT):
    found = [name for name in os.listdir(root) if name.endswith('.md')]
    for place in PLACES:
        for directory, _, names in os.walk(os.path.join(root, place)):
            found += [os.path.relpath(os.path.join(directory, name), root) for name in names if name.endswith('.md')]
    return sorted(found)


def read(path, root=ROOT):
    with open(os.path.join(root, path), encoding='utf-8') as f:
        return f.read()


def blocks(page, text):
    """In their order; raises ValueError for a fence without an end."""
    found = []
    begin = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence and begin is None:
            begin, info, lines = number, fence[1], []
        elif fence:
            found.append(Block(page, begin, info, ''.join(one + '\n' for one in lines)))
            begin = None
        elif begin is not None:
            lines.append(line)
    if begin is not None:
        raise ValueError(f'{page}:{begin}: this fence does not end')
    return found


def manual_blocks(page, text):
    """The examples of a manual page in scdoc: lines behind a tab."""
    examples = text.split('\n# EXAMPLES\n', 1)[1].split('\n# ', 1)[0]
    n_before = text.split('\n# EXAMPLES\n', 1)[0].count('\n') + 2
    return [Block(page, n_before + n, 'sh', line[1:].replace('\\\\', '\\') + '\n')
            for n, line in enumerate(examples.splitlines(), 1) if line.startswith('\t')]


def indented_blocks(text):
    """Numbers of lines that Markdown would show as code without a fence."""
    found = []
    is_inside, before, is_list = False, '', False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            is_inside = not is_inside
        elif not is_inside:
            is_list = bool(re.match(r'^ *([-*]|\d+\.) ', line)) or (is_list and (not line or line.startswith(' ')))
            if line.startswith('    ') and not before and not is_list:
                found.append(number)
        before = line
    return found


def is_complete(command):
    """Would bash run this now, or wait for more lines?"""
    done = subprocess.run(['bash', '-n', '-c', command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return not command.endswith('\\\n') and done.returncode == 0 and 'here-document' not in done.stderr


def shell_steps(block):
    steps = []
    command = ''
    for line in block.text.splitlines(keepends=True):
        command += line
        if command.strip() and is_complete(command):
            if not is_comment(command):
                steps.append((command, None))
            command = ''
    if command.strip():
        raise ValueError(f'{block.where()}: bash cannot read this: {command}')
    return steps


def is_comment(command):
    return all(not line.strip() or line.lstrip().startswith('#') for line in command.splitlines())


def console_steps(block):
    steps = []
    for line in block.text.splitlines(keepends=True):
        if line.startswith('$ '):
            steps.append((line[2:], []))
        elif steps and line.startswith('> '):
            steps[-1] = (steps[-1][0] + line[2:], [])
        elif steps:
            steps[-1][1].append(line.rstrip('\n'))
        else:
            raise ValueError(f'{block.where()}: a console begins with a command, "$ "')
    for command, _ in steps:
        if not is_complete(command):
            raise ValueError(f'{block.where()}: bash cannot read this: {command}')
    return steps


def words(command):
    """Lists of words, one for each simple command of a line; enough for what pages hold."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars='|&;()')
    lexer.whitespace_split = True
    lexer.commenters = '#'
    found = [[]]
    for word in lexer:
        if set(word) <= set('|&;()'):
            found.append([])
        else:
            found[-1].append(word)
    return [one for one in found if one]
