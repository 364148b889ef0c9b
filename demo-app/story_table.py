# SPDX-License-Identifier: MIT
"""The table of the story: a row for each step, with what was expected and what was seen."""
import os
import sys
import textwrap

WIDTHS = {'number': 2, 'step': 36, 'expected': 28, 'seen': 28}

EVERYWHERE = 'everywhere'


class Row:
    def __init__(self):
        self.seen = None


class RowWriter:
    """Prints the left half when the step begins and the right half when it ends, so that a slow step is seen."""

    def __init__(self, table, text, expected):
        self.table = table
        self.text = text
        self.expected = expected
        self.row = Row()

    def __enter__(self):
        self.table.begin(self.text)
        return self.row

    def __exit__(self, kind, failure, trace):
        if failure is not None and not hasattr(failure, 'is_result'):
            self.table.break_off()
            return False
        self.table.end(self.text, self.expected, str(failure) if failure is not None else self.row.seen)
        return failure is not None


class Table:
    def __init__(self, out):
        self.out = out
        self.n_rows = 0
        self.n_failed = 0
        self.is_coloured = out.isatty() and not os.environ.get('NO_COLOR')

    def write(self, text):
        self.out.write(text)
        self.out.flush()

    def colour(self, text, code):
        return f'\033[{code}m{text}\033[0m' if self.is_coloured else text

    def chapter(self, text):
        heading = f'{"":{WIDTHS["number"]}}  {"step":{WIDTHS["step"]}} {"expected":{WIDTHS["expected"]}} '
        self.write(f'{self.colour(text, 1)}\n{heading}seen\n')

    def note(self, heading, text):
        self.write(f'\n{heading}\n\n{textwrap.indent(text.rstrip(), "  ")}\n\n')

    def row(self, text, expected):
        """A context: what is written to the row's `seen` inside of it is compared and printed at its end."""
        return RowWriter(self, text, expected)

    def say(self, text):
        self.write(f'{text}\n')

    def begin(self, text):
        self.n_rows += 1
        first = self.wrapped(text, 'step')[0]
        self.write(f'{self.n_rows:{WIDTHS["number"]}}  {first:{WIDTHS["step"]}} ')

    def break_off(self):
        self.n_failed += 1
        self.write('\n')

    def wrapped(self, text, column):
        return textwrap.wrap(text, WIDTHS[column]) or ['']

    def end(self, text, expected, seen):
        # What comes after a comma may add to what was expected of a change: "everywhere, 1 lapsed".
        is_good = seen == expected or (expected == EVERYWHERE and seen.startswith(EVERYWHERE + ','))
        self.n_failed += not is_good
        columns = [self.wrapped(text, 'step'), self.wrapped(expected, 'expected'), self.wrapped(seen, 'seen')]
        result = self.colour('ok', 32) if is_good else self.colour('FAILED', '31;1')
        self.write(f'{columns[1][0]:{WIDTHS["expected"]}} {columns[2][0]:{WIDTHS["seen"]}} {result}\n')
        for i in range(1, max(len(c) for c in columns)):
            step, left, right = (c[i] if i < len(c) else '' for c in columns)
            line = f'{"":{WIDTHS["number"]}}  {step:{WIDTHS["step"]}} {left:{WIDTHS["expected"]}} {right}'
            self.write(line.rstrip() + '\n')

    def summary(self):
        good = self.n_rows - self.n_failed
        text = f'{good} of {self.n_rows} steps as expected.'
        return self.colour(text, 32) if not self.n_failed else self.colour(text, '31;1')


if __name__ == '__main__':
    sys.exit('This is a part of demo-app/story.')
