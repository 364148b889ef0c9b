#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trial after trial, until the time is over; see tests/checker/run for its options."""
import argparse
import collections
import contextlib
import os
import random
import sys
import time

from trial import BUILD, Trial  # first: it says where mesh.py is
from postgres import Postgres

ROUND_S = 60
KINDS = ('sqlite', 'postgres', 'postgres-rr')


def arguments():
    parser = argparse.ArgumentParser(prog='tests/checker/run')
    parser.add_argument('--minutes', type=float, default=20)
    parser.add_argument('--seed', type=int, default=random.SystemRandom().randrange(1, 1 << 32))
    parser.add_argument('--database', choices=KINDS, action='append')
    return parser.parse_args(sys.argv[2:])


def show(name, figures):
    print(name, *(f'{key}={value}' for key, value in figures.items()), flush=True)


def main():
    asked = arguments()
    kinds = asked.database or KINDS
    total, faults = collections.Counter(), collections.Counter()
    end = time.monotonic() + asked.minutes * 60
    n_rounds = 0
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Postgres()) if any(kind != 'sqlite' for kind in kinds) else None
        while time.monotonic() < end:
            kind = kinds[n_rounds % len(kinds)]
            where = 'sqlite:{}/db' if kind == 'sqlite' else f'{kind}:' + server.new_database(f'cm{n_rounds}')
            trial = Trial(where)
            seconds = max(1, min(ROUND_S, end - time.monotonic()))
            figures = trial.run(seconds, 0, f'{asked.seed} {n_rounds}', os.path.join(BUILD, 'checker', f'{asked.seed}-{n_rounds}'))
            show(f'round={n_rounds} database={kind}', figures)
            total.update(figures)
            faults.update(trial.nemesis.counts)
            n_rounds += 1
    show(f'rounds={n_rounds} seed={asked.seed}', {**total, 'check_s': round(total['check_s'], 1)})
    show('faults', faults)
    return 1 if total['illegal'] or total['errors'] or not total['hit'] else 0


if __name__ == '__main__':
    sys.exit(main())
