#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes stop and go on, at the worst moments: a meshd, an app in the middle of a get, a whole host. Nothing old is served."""
import sys
import time

from lab import Lab, NEVER_GONE_MS, expect, expect_equal, late_ms, mix_end, mix_start
from mesh import run

N_KEYS = 200
FROZEN_S = 2.5  # longer than it takes to be given up
FROZEN_LONG_S = 15
STOPS_MS = (10, 20, 50, 100, 200, 300, 390, 410, 450, 600, 1000, 3000, 10000)
N_APP_STOPS = 40
N_APP_STOPS_LONG = 1000
REFUSED = 5


def freeze_and_wake(frozen_s):
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3)
        writer, sleeper = apps[0], apps[2]
        for app in apps:
            expect_equal(app.ask('until r last stored 30000')['rc'], 0)
        expect_equal(sleeper.ask(f'fill r k 0 {N_KEYS}')['stored'], N_KEYS)
        expect_equal(sleeper.ask('token 0')['rc'], 0)
        nodes[2].pause()
        sleeper.pause()
        done = writer.ask(f'publish r k 0 {N_KEYS} node')
        expect_equal((done['ok'], done['error']), (N_KEYS, 0))
        time.sleep(frozen_s)
        nodes[0].wait_peer(nodes[2], 'gone')
        lab.step(f'{nodes[2].name} is frozen')
        # The app first: it finds the page as it was.
        sleeper.resume()
        expect_equal(sleeper.ask(f'scan r k 0 {N_KEYS}')['hits'], 0)
        nodes[2].resume()
        # What it loaded before it froze is never served, whether it is stored before or after its meshd has caught up.
        sleeper.ask('put r k0 old 0')
        expect_equal(sleeper.ask(f'scan r k 0 {N_KEYS}')['hits'], 0)
        lab.expect_whole('awake')
        sleeper.wait_mode('live')
        expect_equal(sleeper.ask(f'scan r k 0 {N_KEYS}')['hits'], 0)
        expect_equal(sleeper.ask('put r k1 old 0')['rc'], REFUSED)
        expect_equal(sleeper.ask('until r k1 stored 30000')['rc'], 0)
        expect_equal(writer.ask('invalidate r k1 mesh')['rc'], 0)
        expect(sleeper.ask('get r k1')['rc'] != 0, 'it does not hear any more')


def a_frozen_host_serves_nothing_stale_on_waking_and_its_old_loads_are_fenced():
    freeze_and_wake(FROZEN_S)


def a_host_frozen_for_fifteen_seconds_serves_nothing_stale_on_waking():
    freeze_and_wake(FROZEN_LONG_S)


def stop_meshd(stops_ms):
    with Lab() as lab:
        nodes, apps = lab.start_with_apps(3, {'gone_ms': NEVER_GONE_MS})
        for stop_ms in stops_ms:
            seconds = stop_ms / 1000 + 1.2
            mix_start(apps, seconds, late_ms(lab))
            time.sleep(lab.random.uniform(0, 0.1))
            node = lab.random.choice(nodes)
            node.pause()
            time.sleep(stop_ms / 1000)
            node.resume()
            mix_end(apps, seconds)
            lab.step(f'{node.name} was stopped for {stop_ms} ms')
        lab.expect_whole('all stops')


def a_meshd_that_is_stopped_for_ten_milliseconds_to_ten_seconds_makes_nobody_read_what_is_old():
    stop_meshd(STOPS_MS)


def stop_apps(n_stops, n_long):
    """Stops fall anywhere, so also between the check of the stamps and the use of the value; some last for longer than a lease."""
    with Lab() as lab:
        _, apps = lab.start_with_apps(2, {'gone_ms': NEVER_GONE_MS})
        stops = [lab.random.uniform(0.1, 20) for _ in range(n_stops)] + [1.5 * lab.lease_ms] * n_long
        lab.random.shuffle(stops)
        seconds = sum(stops) / 1000 * 1.5 + 0.004 * len(stops) + 2
        # Without a sampler, which would be stopped as well: what is stale is judged, not what is late.
        mix_start(apps, seconds)
        end = time.monotonic() + seconds - 1
        n_done = 0
        for stop_ms in stops:
            if time.monotonic() > end:
                break
            app = lab.random.choice(apps)
            app.pause()
            time.sleep(stop_ms / 1000)
            app.resume()
            time.sleep(lab.random.uniform(0, 0.004))
            n_done += 1
        mix_end(apps, seconds)
        print(f'# {n_done} stops')
        expect(n_done > n_stops / 2, f'{n_done} stops only')
        lab.expect_whole('all stops')


def an_app_that_is_stopped_in_the_middle_of_a_get_returns_nothing_that_was_old_when_the_get_began():
    stop_apps(N_APP_STOPS, 1)


def an_app_that_is_stopped_a_thousand_times_returns_nothing_that_was_old_when_the_get_began():
    stop_apps(N_APP_STOPS_LONG, 20)


if __name__ == '__main__':
    if 'long' in sys.argv[2:]:
        run([a_host_frozen_for_fifteen_seconds_serves_nothing_stale_on_waking,
             a_meshd_that_is_stopped_for_ten_milliseconds_to_ten_seconds_makes_nobody_read_what_is_old,
             an_app_that_is_stopped_a_thousand_times_returns_nothing_that_was_old_when_the_get_began])
    else:
        run([a_frozen_host_serves_nothing_stale_on_waking_and_its_old_loads_are_fenced,
             an_app_that_is_stopped_in_the_middle_of_a_get_returns_nothing_that_was_old_when_the_get_began])
