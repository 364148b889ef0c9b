#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The commands of all pages, typed as a reader would: exit status and the shape of what they print. Blocks that cannot run
here say why in the page, and are listed in the file not-tested.
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import pages  # noqa: E402 pylint: disable=wrong-import-position
from mesh import expect, expect_equal, run  # noqa: E402 pylint: disable=wrong-import-position
import session  # noqa: E402 pylint: disable=wrong-import-position
import tour  # noqa: E402 pylint: disable=wrong-import-position

LIST = 'tests/docs/not-tested'
MANUAL = 'docs/man/meshctl.1.scd'
WITHOUT = ('NEWS.md',)


def all_blocks():
    found = {page: pages.blocks(page, pages.read(page)) for page in pages.markdown_pages()}
    found[MANUAL] = pages.manual_blocks(MANUAL, pages.read(MANUAL))
    return found


BLOCKS = all_blocks()
EACH = [block for blocks in BLOCKS.values() for block in blocks]


def every_block_of_code_is_a_fence_with_a_language():
    wrong = [f'{block.where()}: {block.language!r}' for block in EACH if block.language not in pages.LANGUAGES]
    wrong += [f'{page}:{line}: indented' for page in pages.markdown_pages() for line in pages.indented_blocks(pages.read(page))]
    wrong += [f'{block.where()}: {block.info!r}' for block in EACH if block.info and block.is_commands() and not block.reason]
    expect_equal(wrong, [])


def what_is_not_tested_is_listed():
    listed = [line for line in pages.read(LIST).splitlines() if line and not line.startswith('#')]
    marked = [block for block in EACH if block.reason]
    for block in marked:
        print(f'# not tested: {block.where()}: {block.reason}')
    n_commands = sum(block.is_commands() for block in EACH)
    print(f'# {len(marked)} of {n_commands} blocks with commands are not tested')
    expect_equal(sorted(block.name() for block in marked), sorted(listed))


def commands_that_are_not_run_have_programs_and_flags_that_exist():
    n_checked = 0
    for block in EACH:
        if block.reason and block.is_commands():
            tour.check_flags(block)
            n_checked += 1
    expect(n_checked, 'no such block')


def page_case(page, installed):
    def case():
        tour.walk(page, BLOCKS[page], lambda variables: session.Session(installed, variables))
    case.__name__ = 'the_commands_of_' + page.replace('/', '_').replace('.', '_').replace('-', '_') + '_do_what_it_says'
    return case


def main():
    with tempfile.TemporaryDirectory(prefix='cm.') as directory:
        installed = session.Installed(directory)
        run([every_block_of_code_is_a_fence_with_a_language, what_is_not_tested_is_listed,
             commands_that_are_not_run_have_programs_and_flags_that_exist] +
            [page_case(page, installed) for page, blocks in BLOCKS.items()
             if any(block.is_commands() and not block.reason for block in blocks)])


main()
