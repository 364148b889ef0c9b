# SPDX-License-Identifier: MIT
"""TAP for the test programs in Python: plan first, one line a case, a sentence as its name."""
import sys
import traceback


class Skip(Exception):
    """Raised by a case that cannot run here; the text is the reason."""


def run(cases):
    """Run functions named as sentences in order, print TAP, exit 1 if one failed."""
    print(f'1..{len(cases)}', flush=True)
    n_failed = 0
    for number, case in enumerate(cases, 1):
        name = case.__name__
        try:
            case()
            print(f'ok {number} {name}', flush=True)
        except Skip as skip:
            print(f'ok {number} {name} # SKIP {skip}', flush=True)
        except Exception:  # pylint: disable=broad-except
            n_failed += 1
            for line in traceback.format_exc().splitlines():
                print('# ' + line)
            print(f'not ok {number} {name}', flush=True)
    sys.exit(1 if n_failed else 0)


def expect(is_true, message):
    """assert that python -O cannot remove."""
    if not is_true:
        raise AssertionError(message)


def expect_equal(seen, wanted):
    expect(seen == wanted, f'expected {wanted!r}, seen {seen!r}')
