# SPDX-License-Identifier: MIT
"""Does what was printed look like what the page shows? Words must be the same; numbers, times, sizes and ids may differ, and so may the
width of columns. A shown line "..." stands for any lines, "..." inside a line for any text.
"""
import re

VALUES = (
    (re.compile(r'\b[0-9a-f]{12,32}\b'), 'ID'),
    (re.compile(r'\b\d{4}-\d\d-\d\dT\S+'), 'DATE'),
    (re.compile(r'\b(\d+(\.\d+)? ?(ns|us|ms|s|m|h|d))+\b'), 'TIME'),
    (re.compile(r'\b\d+(\.\d+)?( ?)([KMG]i)?B\b'), 'SIZE'),
    (re.compile(r'\d+(\.\d+)*'), 'N'),
)


def of_line(line):
    for pattern, name in VALUES:
        line = pattern.sub(name, line)
    return ' '.join(line.split())


def of_lines(lines):
    return [of_line(line) for line in lines]


def pattern_of(lines):
    """A regular expression for the shape of what may be printed."""
    pattern = ''
    for line in of_lines(lines):
        if line == '...':
            pattern += r'(?:[^\n]*\n)*?'
        else:
            pattern += r'[^\n]*'.join(re.escape(part) for part in line.split('...')) + r'\n'
    return pattern


def matches(shown, printed):
    """Lists of lines; empty ones count at neither end."""
    return re.fullmatch(pattern_of(trim(shown)), ''.join(line + '\n' for line in of_lines(trim(printed)))) is not None


def trim(lines):
    text = '\n'.join(line.rstrip() for line in lines).strip('\n')
    return text.split('\n') if text else []
