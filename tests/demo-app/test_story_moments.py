#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo's story is interrupted at many moments, chosen by time and not by what it does."""
import random
import select
import signal
import time

from story_rig import Run
from tap import expect, run

N_MOMENTS = 40
STORY_S = 7


def interrupted_at_any_moment_it_leaves_nothing_behind():
    seed = random.randrange(2**32)
    print(f'# seed {seed}')
    chance = random.Random(seed)
    for _ in range(N_MOMENTS):
        number = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        # Half of them while everything starts, where the most can go wrong.
        wait_s = chance.uniform(0, chance.choice((0.5, STORY_S)))
        with Run('--check') as story:
            end = time.monotonic() + wait_s
            while time.monotonic() < end and story.process.poll() is None:
                if select.select([story.process.stdout], [], [], end - time.monotonic())[0]:
                    story.read_some()
            story.process.send_signal(number)
            # An interpreter that has hardly begun says 1.
            status = story.end()
            expect(status in (0, 1, 128 + number, -number), f'{wait_s} s, {number}: status {status}\n{story.text}')
            expect('FAILED' not in story.text, story.text)


run([interrupted_at_any_moment_it_leaves_nothing_behind])
