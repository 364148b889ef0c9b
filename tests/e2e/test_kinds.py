#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whatever is invalidated, from wherever: exactly that is dead on each other node, and nothing else."""
import subprocess

from mesh import DEADLINE_S, Mesh, expect, expect_equal, run, until

CM_E_CONFIG = -1001


def fill(app):
    """In two regions a plain and a tagged entry each, and one that nobody touches."""
    for region in ('r', 'q'):
        expect_equal(app.ask(f'until {region} key stored 30000')['rc'], 0)
        until('it is stored', lambda one=region: app.ask(f'tagged {one} tagged x T')['rc'] == 0
              or app.get(f'{one} tagged')['rc'] == 0)
    expect_equal(app.ask('until r other stored 30000')['rc'], 0)


def hits(app):
    return [words for words in ('r key', 'r tagged', 'r other', 'q key', 'q tagged') if app.get(f'{words}')['rc'] == 0]


def dead_after(change):
    """change(node, app) on the first of three nodes; returns what is dead on the others."""
    with Mesh(lease_ms=1000) as mesh:
        nodes, apps = mesh.start_with_apps(3)
        for app in apps:
            fill(app)
        answer = change(nodes[0], apps[0])
        if answer is not None:
            # On a busy machine one may have lapsed: then it has it before it serves again.
            expect_equal((answer['rc'], answer['applied'] + answer['lapsed']), (0, 2))
        alive = [hits(app) for app in apps]
        expect_equal(alive[1], alive[0])
        expect_equal(alive[2], alive[0])
        return sorted({'r key', 'r tagged', 'r other', 'q key', 'q tagged'} - set(alive[0]))


def a_key_is_dead_everywhere_and_only_it():
    expect_equal(dead_after(lambda node, app: app.ask('invalidate r key mesh')), ['r key'])


def a_tag_is_dead_everywhere_in_its_region_only():
    dead = dead_after(lambda node, app: app.ask('invalidate-tag r T mesh'))
    expect_equal(dead, ['r tagged'])


def a_region_is_dead_everywhere_and_only_it():
    expect_equal(dead_after(lambda node, app: app.ask('invalidate-region r mesh')), ['r key', 'r other', 'r tagged'])


def meshctl_invalidates_a_key():
    expect_equal(dead_after(lambda node, app: node.meshctl('invalidate', '--region', 'r', 'key') and None), ['r key'])


def meshctl_invalidates_a_tag():
    expect_equal(dead_after(lambda node, app: node.meshctl('invalidate', '--region', 'r', '--tag', 'T') and None), ['r tagged'])


def meshctl_invalidates_a_region():
    dead = dead_after(lambda node, app: node.meshctl('invalidate', '--region', 'r', '--whole-region') and None)
    expect_equal(dead, ['r key', 'r other', 'r tagged'])


def meshctl_reads_keys_from_its_input():
    def change(node, _):
        done = subprocess.run([node.mesh.program('meshctl'), '--socket', node.socket, 'invalidate', '--region', 'r', '--stdin'],
                              input='key\nother\n', text=True, capture_output=True, timeout=DEADLINE_S, check=False)
        expect_equal((done.returncode, done.stderr), (0, ''))
    expect_equal(dead_after(change), ['r key', 'r other'])


def a_batch_larger_than_a_frame_is_dead_everywhere():
    with Mesh(lease_ms=1000) as mesh:
        _, apps = mesh.start_with_apps(2)
        prefix = 'k' * 60
        expect_equal(apps[1].ask(f'fill r {prefix} 0 10032')['stored'], 10032)
        answer = apps[0].ask(f'batch r {prefix} 0 10000 mesh 10000')
        expect_equal((answer['rc'], answer['applied'] + answer['lapsed']), (0, 1))
        expect_equal(apps[1].scan(f'r {prefix} 0 10000')['hits'], 0)
        # 10,000 of 65,536 slots are stamped, so one of the other keys in seven is dead by collision.
        seen = apps[1].scan(f'r {prefix} 10000 32')
        expect(seen['hits'] > 16 and seen['forgotten'] == 0, f'{seen}')


def a_region_with_other_options_is_refused_on_the_same_node():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        first, second = node.app(name='first').wait_mode('live'), node.app(name='second').wait_mode('live')
        expect_equal(first.ask('region r bounded 0 1048576')['rc'], 0)
        expect_equal(second.ask('region r ttl 1000 1048576')['rc'], CM_E_CONFIG)
        expect_equal([row['is_conflicting'] for row in node.json('regions')['regions']], [True])


def a_ttl_region_is_dropped_when_its_meshd_comes_back_and_not_before():
    # Who does not look for a lease while meshd is away is served nothing until it is back: a busy machine must not be taken for that.
    with Mesh(lease_ms=4000) as mesh:
        node, = mesh.start(1, alone_ms=300)
        app = node.app().wait_mode('live')
        expect_equal(app.ask('region t ttl 60000 1048576')['rc'], 0)
        expect_equal(app.ask('until t k stored 30000')['rc'], 0)
        node.kill()
        expect_equal(app.ask('get t k')['rc'], 0)
        expect_equal(app.ask('state')['mode'], 'offline')
        expect_equal(app.ask('get t k')['rc'], 0)
        node.start()
        app.wait_mode('live')
        answer = app.ask('get t k')
        expect(answer['rc'] == 1, f'{answer}')
        expect_equal(app.ask('until t k stored 30000')['rc'], 0)


if __name__ == '__main__':
    run([a_key_is_dead_everywhere_and_only_it,
         a_tag_is_dead_everywhere_in_its_region_only,
         a_region_is_dead_everywhere_and_only_it,
         meshctl_invalidates_a_key,
         meshctl_invalidates_a_tag,
         meshctl_invalidates_a_region,
         meshctl_reads_keys_from_its_input,
         a_batch_larger_than_a_frame_is_dead_everywhere,
         a_region_with_other_options_is_refused_on_the_same_node,
         a_ttl_region_is_dropped_when_its_meshd_comes_back_and_not_before])
