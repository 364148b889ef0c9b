#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Logins of the demo over real meshd: what outlives what, what is said while meshd is away or hangs, and tabs at once."""
import os
import signal
import sys
import threading
import time

ROOT, BUILD = (os.path.abspath(argument) for argument in sys.argv[1:3])
sys.path[:0] = [os.path.join(ROOT, 'demo-app'), os.path.join(ROOT, 'tests', 'lint')]

from story_browser import COOKIE, Browser  # noqa: E402
from story_nodes import Mesh, Mismatch, Signals  # noqa: E402
from tap import expect, expect_equal, run  # noqa: E402

signals = Signals()
N_TABS = 6
# Reading waits for a meshd that hangs as long as a call of a session may take; a slow machine may take some more.
PAGE_S = 8


class Site(Mesh):
    """Nodes on which anna and ben exist, as a context manager."""

    def __init__(self, *app_arguments):
        super().__init__(BUILD, signals, list(app_arguments))

    def __enter__(self):
        try:
            self.start_all()
            for person in ('anna', 'ben'):
                Browser(self.nodes[0]).visit().post('/api/people', name=person)
        except BaseException:
            self.show_logs()
            self.close()
            raise
        return self

    def __exit__(self, kind, *unused):
        if kind:
            self.show_logs()
        self.close()

    def check_alive(self):
        """A meshd that was killed is no failure here."""


def state(browser):
    return browser.get('/api/session')['state']


def status(browser, method, path, **fields):
    return browser.ask(method, path, **fields)[0]


def kill_meshd(node):
    process = node.processes.pop('meshd')
    process.kill()
    process.wait()


def is_answered(browser):
    try:
        return browser.get('/api/session')
    except Mismatch:
        return None


def while_meshd_is_away_reading_goes_on_and_nobody_is_logged_out():
    with Site() as site:
        node = site.nodes[0]
        anna = Browser(node).log_in('anna')
        cookies = dict(anna.cookies)
        kill_meshd(node)
        site.until('nobody can tell who anna is', lambda: status(anna, 'GET', '/api/session') == 503)
        expect_equal(status(anna, 'GET', '/api/people/anna'), 200)
        for path in ('/api/people/anna/folders', '/api/logout', '/api/steps'):
            expect_equal(status(anna, 'POST', path, name='x', step=1, revision=1), 503)
        expect_equal(anna.cookies[COOKIE], cookies[COOKIE])
        node.start_meshd()
        # This meshd has never heard of her: it is told by others that have a copy, or by nobody.
        site.until('meshd answers again', lambda: is_answered(anna))
        expect(state(Browser(node, cookies)) in ('ended', 'person'), 'meshd answers, and nobody can tell')
        expect_equal(state(Browser(node).log_in('anna')), 'person')


def a_meshd_that_hangs_keeps_no_page_for_long_and_ends_no_login():
    with Site() as site:
        node = site.nodes[0]
        anna = Browser(node).log_in('anna')
        meshd = node.processes['meshd']
        meshd.send_signal(signal.SIGSTOP)
        try:
            site.until('nobody can tell who anna is', lambda: status(anna, 'GET', '/api/session') == 503)
            began = time.monotonic()
            expect_equal(status(anna, 'POST', '/api/logout'), 503)
            expect(time.monotonic() - began < PAGE_S, f'a logout took {time.monotonic() - began} s')
        finally:
            meshd.send_signal(signal.SIGCONT)
        site.until('meshd answers again', lambda: is_answered(anna))
        expect_equal(state(anna), 'person')
        expect_equal(anna.log_out(), 'logged-out')


def a_login_ends_with_its_time():
    with Site('--session-life', '4') as site:
        anna = Browser(site.nodes[0]).log_in('anna')
        late = anna.copy()
        end_ms = int(anna.cookies['demo_session_end'])
        site.until('the login is over', lambda: state(anna) != 'person')
        expect(end_ms <= time.time() * 1000, 'it ended early')
        expect_equal(state(late), 'ended')


def a_node_does_not_take_the_cookie_of_another_one_for_its_own():
    with Site() as site:
        one, two, _ = site.nodes
        anna = Browser(one).log_in('anna')
        there = Browser(two, anna.cookies)
        there.token = anna.token
        expect(state(there) in ('elsewhere', 'person'), 'node-2 ended what it does not know')
        expect_equal(there.cookies[COOKIE], anna.cookies[COOKIE])
        expect_equal(state(anna), 'person')


def a_logout_is_seen_by_all_apps_of_the_node_at_once():
    with Site() as site:
        node = site.nodes[0]
        anna = [Browser(node).log_in('anna') for _ in range(3)]
        thieves = [browser.copy() for browser in anna]
        cookies = [dict(browser.cookies) for browser in anna]
        expect_equal(anna[0].log_out(), 'logged-out')
        expect_equal([state(thief) for thief in thieves], ['ended', 'person', 'person'])
        expect(anna[1].log_out('everywhere').startswith('logged-out'), 'no logout')
        expect_equal(state(anna[2]), 'ended')
        node.restart_app()
        for old in cookies:
            expect_equal(status(Browser(node, old), 'POST', '/api/people/anna/folders', name='x'), 401)
            expect_equal(state(Browser(node, old)), 'ended')


def of_tabs_at_once_one_saves_and_the_others_are_told():
    with Site() as site:
        anna = Browser(site.nodes[0]).log_in('anna')
        for _ in range(5):
            form = anna.get('/api/steps')
            seen = []

            def send(tab, name, form=form, seen=seen):
                seen.append(status(tab, 'POST', '/api/steps', revision=form['revision'], step=1, name=name))

            threads = [threading.Thread(target=send, args=(anna.copy(), f'tab-{number}')) for number in range(N_TABS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            expect_equal(sorted(seen), [200] + [409] * (N_TABS - 1))
            expect_equal(anna.get('/api/steps')['revision'], form['revision'] + 1)


run([while_meshd_is_away_reading_goes_on_and_nobody_is_logged_out,
     a_meshd_that_hangs_keeps_no_page_for_long_and_ends_no_login, a_login_ends_with_its_time,
     a_node_does_not_take_the_cookie_of_another_one_for_its_own, a_logout_is_seen_by_all_apps_of_the_node_at_once,
     of_tabs_at_once_one_saves_and_the_others_are_told])
