#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does the test of the commands notice a page that is wrong? Each case is a small page with one fault, or none."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import pages  # noqa: E402 pylint: disable=wrong-import-position
from mesh import expect, expect_equal, run  # noqa: E402 pylint: disable=wrong-import-position
import session  # noqa: E402 pylint: disable=wrong-import-position
import shape  # noqa: E402 pylint: disable=wrong-import-position
import tour  # noqa: E402 pylint: disable=wrong-import-position

PAGE = '''# A page

```sh
meshd --name here --listen 127.0.0.1:0 --socket s --state-dir none --start-ms 10 --alone-ms 10 2>log &
export CACHEMESH_SOCKET=s
meshctl wait --for=live
```

```console
$ meshctl peers
NAME   STATE  ADDRESS          RTT  SEEN  LAG  GAPS  VERSION
here*  live   127.0.0.1:23456  0us   0ms    0     0  meshd 0.1.0
$ meshctl links --nonsense
meshctl: unknown flag --nonsense of links
  next: ...
$ echo $?
64
```

```sh
kill %1
wait
```
'''
INSTALLED = None


def walk(text):
    tour.walk('planted.md', pages.blocks('planted.md', text), lambda variables: session.Session(INSTALLED, variables))


def fault(text):
    """What the walk says about this page."""
    try:
        walk(text)
    except AssertionError as e:
        return str(e)
    raise AssertionError('the fault was not noticed')


def planted(old, new):
    expect(old in PAGE, f'{old} is not in the page')
    return fault(PAGE.replace(old, new))


def a_right_page_passes():
    walk(PAGE)


def a_wrong_flag_fails():
    expect('exit status 64' in planted('wait --for=live', 'wait --fro=live'), 'not the status')


def a_changed_heading_fails():
    expect('planted.md:9: meshctl peers' in planted('LAG  GAPS', 'LAG  HOLES'), 'not the place')


def a_missing_column_fails():
    planted('0     0  meshd', '0  meshd')


def another_word_in_the_output_fails():
    planted('live   127', 'joining 127')


def another_exit_status_than_shown_fails():
    """Numbers in outputs may differ, but not this one."""
    planted('\n64\n', '\n65\n')


def a_failure_that_the_page_does_not_show_fails():
    expect('exit status 64' in planted('$ echo $?\n64\n', ''), 'not the status')


def a_process_that_is_left_fails():
    expect('meshd --name here' in planted('kill %1\nwait\n', 'true\n'), 'not the process')


def a_command_that_does_not_end_fails():
    one = session.Session(INSTALLED)
    try:
        one.run('tail -f /dev/null', deadline_s=0.5)
    except session.CommandFailed as e:
        expect('does not end' in str(e), str(e))
    else:
        raise AssertionError('it was not noticed')
    finally:
        expect_equal(one.close(), ['tail -f /dev/null'])


def a_wrong_flag_in_a_block_that_is_not_run_fails():
    for text, is_right in (('tests/run --all', True), ('tests/run --al', False), ('tests/ran', False),
                           ('sudo meshctl links --check | cat', True), ('A=b meshctl links --chek', False)):
        block = pages.blocks('planted.md', f'```sh not-tested: a reason\n{text}\n```\n')[0]
        expect_equal(block.reason, 'a reason')
        try:
            tour.check_flags(block)
            seen = True
        except tour.Wrong:
            seen = False
        expect_equal((text, seen), (text, is_right))


def code_without_a_fence_is_found():
    expect_equal(pages.indented_blocks('text\n\n    meshctl peers\n'), [3])
    expect_equal(pages.indented_blocks('- item\n\n    goes on\n\n```sh\n\n    x\n```\n'), [])


def commands_of_several_lines_are_one_step():
    block = pages.blocks('p', '```sh\n# why\nfor i in 1 2; do\n  echo $i\ndone\necho a \\\n  b\ncat <<END\n$ x\nEND\n```\n')[0]
    expect_equal([command.count('\n') for command, _ in block.steps()], [3, 2, 3])


def values_may_differ_and_words_may_not():
    for shown, printed, is_same in ((['RTT 12us'], ['RTT  1.5ms'], True), (['1m05s'], ['3ms'], True),
                                    (['a 1'], ['b 1'], False), (['a', '...', 'b'], ['a', 'b'], True),
                                    (['a', '...', 'b'], ['a', 'x', 'y', 'b'], True), (['a ... b'], ['a x b'], True),
                                    (['id d745e1ea21834046'], ['id 0123456789abcdef'], True), (['a'], ['a', 'b'], False),
                                    ([], [''], True), ([], ['a'], False)):
        expect_equal((shown, printed, shape.matches(shown, printed)), (shown, printed, is_same))


def main():
    global INSTALLED  # pylint: disable=global-statement
    with tempfile.TemporaryDirectory(prefix='cm.') as directory:
        INSTALLED = session.Installed(directory)
        run([a_right_page_passes, a_wrong_flag_fails, a_changed_heading_fails, a_missing_column_fails,
             another_word_in_the_output_fails, another_exit_status_than_shown_fails,
             a_failure_that_the_page_does_not_show_fails, a_process_that_is_left_fails, a_command_that_does_not_end_fails,
             a_wrong_flag_in_a_block_that_is_not_run_fails, code_without_a_fence_is_found,
             commands_of_several_lines_are_one_step, values_may_differ_and_words_may_not])


main()
