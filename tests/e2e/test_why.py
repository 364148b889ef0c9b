#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""why names the operation behind each stamp, and agrees with what an app gets; trace sees each hop of one invalidation."""
import json

from mesh import Mesh, expect, expect_equal, run, until

DEGRADED, INCOMPLETE = 2, 75
SLOTS_MIN = 256
REMEMBERED = 4096
PATIENT_MS = 3000  # a busy machine alone makes nobody lapse


def why(node, key, region='r', *more):
    status, out, error = node.meshctl_status('why', '--region', region, key, '-o', 'json', *more)
    expect(status in (0, DEGRADED) and not error, f'exit {status}: {error}')
    document = json.loads(out)
    expect_equal(document['schema'], 'cachemesh.why/1')
    expect_equal(status, 0 if document['is_served'] else DEGRADED)
    return document, {row['what']: row for row in document['stamps']}


def a_region_that_nobody_opened_is_told():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        document, stamps = why(node, 'k')
        expect(not document['is_known'] and 'no app has opened' in document['verdict'], document)
        expect_equal(list(stamps), ['floor'])


def each_stamp_has_its_operation():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[0].ask('region r bounded 0 1048576')['rc'], 0)
        document, stamps = why(nodes[0], 'k')
        expect('if an app cached it' in document['verdict'], document)
        expect('never' in stamps['key']['cause'] and 'never as a whole' in stamps['region']['cause'], stamps)
        nodes[1].meshctl('invalidate', '--region', 'r', 'k')
        expect_equal(apps[0].ask('load r k v')['rc'], 0)
        document, stamps = why(nodes[0], 'k', 'r', '--tag', 'T')
        key = stamps['key']
        expect_equal((key['source'], key['position'], key['kind'], key['cause']),
                     ('n2', 1, 'invalidate', 'this key was invalidated'))
        expect(key['stamp'] <= document['apply_seq'] and key['ago_ms'] < 20000, stamps)
        expect('never' in stamps['tag']['cause'], stamps)
        expect_equal(apps[0].get('r k')['rc'], 0)
        nodes[1].meshctl('invalidate', '--region', 'r', '--tag', 'T')
        expect_equal(why(nodes[0], 'k', 'r', '--tag', 'T')[1]['tag']['cause'], 'this tag was invalidated')
        nodes[1].meshctl('invalidate', '--region', 'r', '--whole-region')
        region = why(nodes[0], 'k')[1]['region']
        expect_equal((region['source'], region['cause']), ('n2', 'the whole region was invalidated'))


def a_collision_is_told():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300, key_slots=SLOTS_MIN)
        app = node.app().wait_mode('live')
        expect_equal(app.ask('region r bounded 0 1048576')['rc'], 0)
        # Thirty keys at once are as many as may share one operation before the whole region is stamped.
        for first in range(0, 3000, 30):
            node.meshctl('invalidate', '--region', 'r', '--wait', 'node', *(f'x{i}' for i in range(first, first + 30)))
        expect('a collision' in why(node, 'k')[1]['key']['cause'], 'each slot was stamped ten times')
        expect_equal(why(node, 'x2999')[1]['key']['cause'], 'this key was invalidated')


def an_operation_that_is_too_old_is_told():
    with Mesh() as mesh:
        node, = mesh.start(1, alone_ms=300)
        app = node.app().wait_mode('live')
        expect_equal(app.ask('region r bounded 0 1048576')['rc'], 0)
        node.meshctl('invalidate', '--region', 'r', '--whole-region')
        expect_equal(app.ask(f'publish r k 0 {REMEMBERED} node', deadline_s=60)['ok'], REMEMBERED)
        document, stamps = why(node, f'k{REMEMBERED - 1}')
        expect_equal((document['remembered'], stamps['key']['cause']), (REMEMBERED, 'this key was invalidated'))
        region = stamps['region']
        expect_equal((region['cause'], region['ago_ms'], region['source']),
                     ('older than the operations that are remembered', None, ''))


def a_node_without_a_lease_serves_nothing_bounded():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2, {'gone_ms': 60000})
        expect_equal(apps[0].ask('region r bounded 0 1048576')['rc'], 0)
        expect_equal(apps[0].ask('region t ttl 60000 1048576')['rc'], 0)
        until('it is served', lambda: why(nodes[0], 'k')[0]['is_served'])
        nodes[1].pause()
        document = until('the lease is over', lambda: (lambda d: d if not d['is_served'] else None)(why(nodes[0], 'k')[0]))
        expect('lease' in document['verdict'] and document['lease_left_ms'] == 0, document)
        expect(why(nodes[0], 'k', 't')[0]['is_served'], 'a TTL needs no lease')
        nodes[1].resume()


def forgetting_everything_is_the_floor():
    with Mesh() as mesh:
        nodes, apps = mesh.start_with_apps(2)
        expect_equal(apps[0].ask('region r bounded 0 1048576')['rc'], 0)
        nodes[1].kill()
        nodes[0].wait_peer(nodes[1], 'gone')
        floor = why(nodes[0], 'k')[1]['floor']
        expect_equal((floor['kind'], floor['position'], floor['cause']),
                     ('forgotten', None, 'everything was forgotten: a member is gone without a goodbye'))


def trace(node, *more):
    status, out, _ = node.meshctl_status('trace', '--region', 'r', 'k', '-o', 'json', *more)
    document = json.loads(out)
    expect_equal(document['schema'], 'cachemesh.trace/1')
    return status, document, {row['name']: row for row in document['hops']}


def each_hop_of_an_invalidation_has_its_time():
    with Mesh(PATIENT_MS) as mesh:
        nodes, apps = mesh.start_with_apps(3)
        expect_equal(apps[1].ask('region r bounded 0 1048576')['rc'], 0)
        expect_equal(apps[1].ask('load r k v')['rc'], 0)
        status, document, hops = trace(nodes[0])
        expect_equal((status, document['outcome'], document['position'], sorted(hops)),
                     (0, 'applied', 1, ['n1', 'n2', 'n3']))
        expect(document['numbered_us'] <= document['confirmed_us'] <= document['finished_us'], document)
        expect(hops['n1']['is_self'] and hops['n1']['applied_us'] == document['numbered_us'], hops)
        for name in ('n2', 'n3'):
            hop = hops[name]
            expect_equal((hop['outcome'], hop['error']), ('applied', ''))
            expect(hop['sent_us'] <= hop['acknowledged_us'] <= document['confirmed_us'], hop)
            expect(document['numbered_us'] - hop['accuracy_us'] - 1 <= hop['applied_us'], hop)
            expect(hop['applied_us'] <= hop['acknowledged_us'] + hop['accuracy_us'] + 1, hop)
            expect_equal(hop['accuracy_us'], hop['rtt_us'] // 2)
        expect(apps[1].ask('get r k')['rc'] != 0, 'it was really invalidated')
        expect_equal(why(nodes[1], 'k')[1]['key']['source'], 'n1')


def a_stopped_node_has_lapsed_in_the_trace():
    with Mesh(PATIENT_MS) as mesh:
        nodes = mesh.start(3, gone_ms=20000)
        nodes[2].pause()
        status, document, hops = trace(nodes[0])
        expect_equal((status, document['outcome']), (0, 'applied'))
        expect_equal((hops['n2']['outcome'], hops['n3']['outcome'], hops['n3']['applied_us']), ('applied', 'lapsed', None))
        expect(hops['n3']['acknowledged_us'] is None and hops['n3']['error'], hops)
        nodes[2].resume()


def a_trace_that_is_not_confirmed_ends_with_75():
    with Mesh() as mesh:
        nodes = mesh.start(2)
        nodes[1].kill()
        nodes[0].wait_peer(nodes[1], 'gone')
        status, document, hops = trace(nodes[0])
        expect_equal((status, document['outcome'], hops['n2']['outcome']), (INCOMPLETE, 'partial', 'unconfirmed'))


run([a_region_that_nobody_opened_is_told, each_stamp_has_its_operation, a_collision_is_told, an_operation_that_is_too_old_is_told,
     a_node_without_a_lease_serves_nothing_bounded, forgetting_everything_is_the_floor, each_hop_of_an_invalidation_has_its_time,
     a_stopped_node_has_lapsed_in_the_trace, a_trace_that_is_not_confirmed_ends_with_75])
