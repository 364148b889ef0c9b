#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo's story is stopped at all its stages, and leaves no process, socket or file behind."""
import re
import signal
import urllib.request

from story_rig import Run
from tap import expect, expect_equal, run


def interrupt_at(marker, number):
    with Run('--check') as story:
        if marker:
            story.read_until(marker)
        story.process.send_signal(number)
        status = story.end()
        # Before the interpreter is up, the signal itself ends it, or it says 1.
        expect(status == 128 + number or (not marker and status in (1, -number)), f'status {status} after {marker!r}:\n{story.text}')


def interrupted_at_once_it_leaves_nothing_behind():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        interrupt_at('', number)


def interrupted_while_nodes_start_it_leaves_nothing_behind():
    interrupt_at('Starting', signal.SIGTERM)
    interrupt_at('Starting', signal.SIGINT)
    interrupt_at('All three', signal.SIGHUP)


def interrupted_between_steps_it_leaves_nothing_behind():
    interrupt_at(' 1  ben looks', signal.SIGINT)
    interrupt_at(' 5  anna shares', signal.SIGTERM)


def interrupted_while_it_waits_it_leaves_nothing_behind():
    interrupt_at('anna adds Letters', signal.SIGINT)
    interrupt_at('node-1 gives node-2 up', signal.SIGHUP)


def interrupted_twice_it_leaves_nothing_behind():
    with Run('--check') as story:
        story.read_until(' 1  ben looks')
        story.process.send_signal(signal.SIGINT)
        story.process.send_signal(signal.SIGTERM)
        expect(story.end() in (128 + signal.SIGINT, 128 + signal.SIGTERM), story.text)


def without_a_reader_it_leaves_nothing_behind():
    with Run('--check') as story:
        story.read_until(' 1  ben looks')
        story.process.stdout.close()
        expect_equal(story.process.wait(timeout=60), 1)


def killed_its_children_die_with_it():
    with Run('--check', is_killed=True) as story:
        story.read_until(' 1  ben looks')
        expect(len(story.processes()) >= 6, f'processes: {story.processes()}')
        story.process.kill()
        story.process.wait()


def it_stays_until_it_is_told_to_stop():
    with Run() as story:
        story.read_until('Ctrl-C stops everything.')
        urls = re.findall(r'http://127\.0\.0\.1:\d+/people/ben', story.text)
        expect_equal(len(urls), 3)
        for url in urls:
            with urllib.request.urlopen(url, timeout=10) as page:
                expect('Folders of ben' in page.read().decode(), url)
        story.process.send_signal(signal.SIGINT)
        expect(story.end() == 0, story.text)


run([interrupted_at_once_it_leaves_nothing_behind, interrupted_while_nodes_start_it_leaves_nothing_behind,
     interrupted_between_steps_it_leaves_nothing_behind, interrupted_while_it_waits_it_leaves_nothing_behind,
     interrupted_twice_it_leaves_nothing_behind, without_a_reader_it_leaves_nothing_behind,
     killed_its_children_die_with_it, it_stays_until_it_is_told_to_stop])
