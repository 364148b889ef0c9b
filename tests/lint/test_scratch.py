#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/scratch.sh: nothing of a run of tests is left when it ends, whatever ends it, and others are left alone."""
import os
import signal
import subprocess
import tempfile
import time

import tree
from tap import expect, expect_equal, run

DEADLINE_S = 30
OLD_S = 3600
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAIT = 'scratch_start bash -c "echo >$TMPDIR/file; echo \\$\\$; sleep 1000"; wait'


def heed_signals():
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


def start(base, script):
    """A run in its own group of processes, with all that is temporary below base; it may say something in a line. Its signals
    are not ignored: a shell cannot trap what it was started without, as by nohup."""
    return subprocess.Popen(['bash', '-c', f'set -euo pipefail; . tests/scratch.sh; scratch_begin; {script}'], cwd=tree.ROOT,
                            env={**os.environ, 'TMPDIR': base}, stdout=subprocess.PIPE, text=True, start_new_session=True,
                            preexec_fn=heed_signals)


def end(process):
    process.communicate(timeout=DEADLINE_S)
    return process.returncode


def place():
    """Short: else the script prefers /tmp."""
    return tempfile.TemporaryDirectory(prefix='s.', dir='/tmp')


def age(path):
    then = time.time() - OLD_S
    os.utime(path, (then, then))


def is_running(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def a_run_leaves_nothing_and_keeps_its_status():
    with place() as base:
        expect_equal(end(start(base, 'echo >"$TMPDIR/file"; [ -e "$scratch/tmp/file" ]; exit 7')), 7)
        expect_equal(os.listdir(base), [])


def a_run_that_is_ended_ends_its_jobs_and_leaves_nothing():
    for number in ENDING:
        with place() as base:
            process = start(base, WAIT)
            job = int(process.stdout.readline())
            process.send_signal(number)
            expect_equal(end(process), 128 + number)
            expect(not is_running(job), 'its job goes on')
            expect_equal(os.listdir(base), [])


def what_a_killed_run_has_left_goes_with_the_next_one():
    with place() as base:
        process = start(base, WAIT)
        job = int(process.stdout.readline())
        left, = os.listdir(base)
        process.kill()
        process.wait()
        age(os.path.join(base, left))
        # Its job is alive.
        expect_equal(end(start(base, ':')), 0)
        expect_equal(os.listdir(base), [left])
        os.killpg(job, signal.SIGKILL)
        process.stdout.close()
        deadline = time.monotonic() + DEADLINE_S
        while is_running(job) and time.monotonic() < deadline:
            os.sched_yield()
        expect_equal(end(start(base, ':')), 0)
        expect_equal(os.listdir(base), [])


def a_run_that_goes_on_and_what_is_new_are_left_alone():
    with place() as base:
        process = start(base, WAIT)
        process.stdout.readline()
        own, = os.listdir(base)
        age(os.path.join(base, own))
        os.mkdir(os.path.join(base, 'cm-run.begun'))
        os.mkdir(os.path.join(base, 'other'))
        age(os.path.join(base, 'other'))
        expect_equal(end(start(base, ':')), 0)
        expect_equal(sorted(os.listdir(base)), sorted([own, 'cm-run.begun', 'other']))
        process.terminate()
        end(process)


run([a_run_leaves_nothing_and_keeps_its_status, a_run_that_is_ended_ends_its_jobs_and_leaves_nothing,
     what_a_killed_run_has_left_goes_with_the_next_one, a_run_that_goes_on_and_what_is_new_are_left_alone])
