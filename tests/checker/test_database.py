#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cached reads of a real database are legal, whatever is killed, stopped or cut; and the checker notices what is not."""
import os
import random
import subprocess
import sys
import tempfile
import time

from trial import TIGHT_ROWS, Trial, program  # first: it says where mesh.py is
from mesh import Skip, expect, expect_equal, run
from postgres import Postgres

SEED = int(os.environ.get('CM_TEST_SEED', '0')) or random.SystemRandom().randrange(1, 1 << 32)
SHORT_S = 5
LONG_S = 20
LONG_READS = 1000000
WRONG_S = 2
WRONG_TRIES = 5
SQLITE = 'sqlite:{}/db'


def postgres_database(server, isolation=''):
    """A new one, as client.c takes it."""
    where = f'postgres{isolation}:' + server.new_database(f'cm{time.monotonic_ns()}')
    with tempfile.TemporaryFile('w+') as said:
        if subprocess.run([program('client'), 'create', where, '1'], stderr=said, check=False).returncode != 0:
            said.seek(0)
            expect(said.read() == '', 'the client cannot use PostgreSQL')
            raise Skip('libpq is not installed')
    return f'postgres{isolation}:' + server.new_database(f'cm{time.monotonic_ns()}')


def judge(where, seconds, n_reads=0):
    print(f'# CM_TEST_SEED={SEED}')
    trial = Trial(where)
    figures = trial.run(seconds, n_reads, f'{SEED} {where.split(":")[0]}')
    print(f'# {figures}')
    print(f'# faults: {trial.nemesis.counts}')
    expect_equal((figures['illegal'], figures['errors']), (0, 0))
    expect(figures['hit'] >= n_reads, f'only {figures["hit"]} reads')
    for name in ('hit', 'load', 'write', 'done', 'done_here', 'undone'):
        expect(figures[name] > 0, f'no {name}, so the trial proves little')


def expect_caught(where, token='before', program_name='client', seed=None):
    """@where: called for each try."""
    for _ in range(WRONG_TRIES):
        figures = Trial(where(), token, program_name, TIGHT_ROWS).run(WRONG_S if seed is None else SHORT_S, 0, seed)
        print(f'# {figures}')
        if figures['illegal'] > 0:
            expect_equal(figures['illegal'], figures['stale'] + figures['stale_here'])
            return
    raise AssertionError('nothing stale was read, so the checker proves nothing')


def reads_of_sqlite_through_the_cache_are_legal_under_faults():
    judge(SQLITE, SHORT_S)


def reads_of_repeatable_postgres_through_the_cache_are_legal_under_faults():
    with Postgres() as server:
        judge(postgres_database(server, '-rr'), SHORT_S)


def a_million_reads_of_sqlite_are_legal_under_faults():
    judge(SQLITE, LONG_S, LONG_READS)


def a_million_reads_of_postgres_are_legal_under_faults():
    with Postgres() as server:
        judge(postgres_database(server), LONG_S, LONG_READS)


def a_million_reads_of_repeatable_postgres_are_legal_under_faults():
    with Postgres() as server:
        judge(postgres_database(server, '-rr'), LONG_S, LONG_READS)


def a_token_taken_after_the_load_is_caught():
    expect_caught(lambda: SQLITE, token='loaded')


def a_token_taken_after_the_load_is_caught_with_postgres():
    with Postgres() as server:
        expect_caught(lambda: postgres_database(server), token='loaded')


def a_token_taken_inside_of_a_transaction_of_sqlite_is_caught():
    expect_caught(lambda: SQLITE, token='begun')


def a_token_taken_inside_of_a_repeatable_transaction_of_postgres_is_caught():
    with Postgres() as server:
        expect_caught(lambda: postgres_database(server, '-rr'), token='begun')


def a_token_taken_inside_of_a_transaction_that_sees_each_commit_does_no_harm():
    with Postgres() as server:
        figures = Trial(postgres_database(server), 'begun', rows=TIGHT_ROWS).run(WRONG_S)
    print(f'# {figures}')
    expect_equal(figures['illegal'], 0)


def a_cache_without_leases_is_caught_under_faults():
    print(f'# CM_TEST_SEED={SEED}')
    expect_caught(lambda: SQLITE, program_name='client-no-lease', seed=SEED)


SHORT = [
    reads_of_sqlite_through_the_cache_are_legal_under_faults,
    reads_of_repeatable_postgres_through_the_cache_are_legal_under_faults,
    a_token_taken_after_the_load_is_caught,
    a_token_taken_inside_of_a_repeatable_transaction_of_postgres_is_caught,
    a_cache_without_leases_is_caught_under_faults,
]
LONG = [
    a_million_reads_of_sqlite_are_legal_under_faults,
    a_million_reads_of_postgres_are_legal_under_faults,
    a_million_reads_of_repeatable_postgres_are_legal_under_faults,
    a_token_taken_after_the_load_is_caught_with_postgres,
    a_token_taken_inside_of_a_transaction_of_sqlite_is_caught,
    a_token_taken_inside_of_a_transaction_that_sees_each_commit_does_no_harm,
]
if __name__ == '__main__':
    run(LONG if 'long' in sys.argv[2:] else SHORT)
