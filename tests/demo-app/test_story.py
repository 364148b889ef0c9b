#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo's story with real processes: it goes as expected, and fails when it has to."""
import os
import re
import subprocess
import tempfile

from story_rig import BUILD, ROOT, Run
from tap import expect, expect_equal, run


def two_stories_side_by_side_go_as_expected():
    with Run('--check') as one, Run('--check') as two:
        for story in (one, two):
            expect(story.end() == 0, story.text)
            expect('steps as expected.' in story.text and 'FAILED' not in story.text, story.text)


def apps_that_do_not_publish_make_the_story_fail():
    with Run('--check', '--no-publish') as story:
        expect_equal(story.end(), 1)
        rows = [line for line in story.text.splitlines() if 'FAILED' in line]
        expect(any(re.search(r'ben looks on node-2 +miss: Plans, 2027 +hit: nothing +FAILED', row) for row in rows), story.text)


def a_daemon_that_does_not_start_is_shown_with_its_log():
    with tempfile.TemporaryDirectory(prefix='cachemesh-test.') as build:
        for folder, program in (('meshd', 'meshd'), ('meshctl', 'meshctl'), ('demo-app', 'cachemesh-demo')):
            os.mkdir(os.path.join(build, folder))
            os.symlink(os.path.join(BUILD, folder, program), os.path.join(build, folder, program))
        meshd = os.path.join(build, 'meshd', 'meshd')
        os.unlink(meshd)
        with open(meshd, 'w', encoding='utf-8') as f:
            f.write('#!/bin/sh\necho the log of a meshd that does not start\nexit 1\n')
        os.chmod(meshd, 0o755)
        with Run('--check', build=build) as story:
            expect_equal(story.end(), 1)
            expect('the log of a meshd that does not start' in story.text, story.text)


def what_is_not_built_is_named():
    with Run('--check', build='/nowhere') as story:
        expect_equal(story.end(), 1)
        expect('/nowhere/meshd/meshd is not there' in story.text, story.text)


def options_that_do_not_exist_are_refused():
    done = subprocess.run([os.path.join(ROOT, 'demo-app', 'story'), BUILD, '--chekc'], capture_output=True, text=True, check=False)
    expect_equal(done.returncode, 2)
    expect('--chekc' in done.stderr, done.stderr)


run([two_stories_side_by_side_go_as_expected, apps_that_do_not_publish_make_the_story_fail,
     a_daemon_that_does_not_start_is_shown_with_its_log, what_is_not_built_is_named, options_that_do_not_exist_are_refused])
