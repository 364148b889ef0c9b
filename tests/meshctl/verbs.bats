#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The other verbs against a fake meshd: what each asks, what it shows, how it ends.
load fake

@test "invalidate publishes keys and waits for the mesh" {
        fake <<<'{"publish": {"outcome": 0, "position": 7, "applied": 2}}'
        ctl invalidate --region users k1 k2
        expect_status 0
        expect_asked 'PUBLISH wait=2 region=users n_keys=2 n_tags=0 whole=0 key=k1 key=k2'
        [[ ${lines[1]} =~ ^applied\ +7\ +2\ +2\ +0\ +0$ ]]
        ctl invalidate --region users k1 -o json
        json 'd["outcome"] == "applied" and d["position"] == 7 and d["n_targets"] == 1 and d["members"] == []'
}

@test "invalidate publishes tags, and whole regions, and waits less if told so" {
        fake <<<'{"publish": {"outcome": 0, "position": 7}}'
        ctl invalidate --region users --tag t1 --wait none
        expect_status 0
        expect_asked 'PUBLISH wait=0 region=users n_keys=0 n_tags=1 whole=0 tag=t1'
        ctl invalidate --region users --whole-region --wait node
        expect_status 0
        expect_asked 'PUBLISH wait=1 region=users n_keys=0 n_tags=0 whole=1'
}

@test "invalidate reads standard input and splits what one operation cannot hold" {
        fake <<<'{"publish": {"outcome": 0, "position": 7}}'
        seq 1 25000 >"$BATS_TEST_TMPDIR/keys" # a file never falls silent
        run --separate-stderr bash -c "'$MESHCTL' --socket '$socket' invalidate --region r --stdin -o json <'$BATS_TEST_TMPDIR/keys'"
        expect_status 0
        json 'd["n_targets"] == 25000 and d["n_operations"] > 2'
        [ "$(grep -c 'PUBLISH wait=1' "$socket.log")" -ge 2 ]
        [ "$(grep -c 'PUBLISH wait=2' "$socket.log")" -eq 1 ]
        [ "$(sed 's/.*n_keys=\([0-9]*\).*/\1/' "$socket.log" | grep -v ATTACH | awk '{ n += $1 } END { print n }')" -eq 25000 ]
}

@test "what comes from standard input is published when that falls silent" {
        fake <<<'{"publish": {"outcome": 0, "position": 7, "applied": 2}}'
        mkfifo "$BATS_TEST_TMPDIR/feed"
        "$MESHCTL" --socket "$socket" invalidate --region r --stdin <"$BATS_TEST_TMPDIR/feed" >"$BATS_TEST_TMPDIR/out" 3>&- &
        pids+=($!)
        exec 7>"$BATS_TEST_TMPDIR/feed"
        printf 'one\ntwo\nthr' >&7
        until_asked 'PUBLISH wait=2 region=r n_keys=2 n_tags=0 whole=0 key=one'
        printf 'ee\n' >&7
        until_asked 'PUBLISH wait=2 region=r n_keys=1 n_tags=0 whole=0 key=three'
        exec 7>&-
        wait "${pids[-1]}"
        grep -q applied "$BATS_TEST_TMPDIR/out"
}

@test "a feed outlives its meshd" {
        fake <<<'{"publish": {"outcome": 0}}'
        mkfifo "$BATS_TEST_TMPDIR/feed"
        "$MESHCTL" --socket "$socket" invalidate --region r --stdin <"$BATS_TEST_TMPDIR/feed" >/dev/null 3>&- &
        feed=$!
        exec 7>"$BATS_TEST_TMPDIR/feed"
        echo one >&7
        until_asked 'key=one'
        # also right between the question and its answer
        kill -9 "${pids[-1]}"
        rm -f "$socket"
        # without the pipe: who holds it open keeps the feed from its end
        fake 7>&- <<<'{"publish": {"outcome": 0}}'
        echo two >&7
        until_asked 'key=two'
        exec 7>&-
        wait "$feed"
}

@test "a line that cannot be published does not take those before it along" {
        fake <<<'{"publish": {"outcome": 0}}'
        run --separate-stderr bash -c "printf 'a\nb\n\nc\n' | '$MESHCTL' --socket '$socket' invalidate --region r --stdin"
        expect_status 64
        expect_error 'key number 3 has 0 bytes'
        expect_error '2 before it were published'
        expect_asked 'PUBLISH wait=1 region=r n_keys=2'
}

@test "invalidate of an empty standard input publishes nothing" {
        fake <<<'{"publish": {"outcome": 0}}'
        run --separate-stderr bash -c "'$MESHCTL' --socket '$socket' invalidate --region r --stdin </dev/null"
        expect_status 0
        refute grep PUBLISH "$socket.log"
}

@test "invalidate that not all have applied ends with 75 and names them" {
        fake <<<'{"publish": {"outcome": 4, "position": 7, "applied": 1, "lapsed": 1, "unconfirmed": 1,
                "members": [{"name": "b", "state": 1}, {"name": "c", "state": 2}]}}'
        ctl invalidate --region r k
        expect_status 75
        [[ $output =~ b\ +lapsed ]]
        [[ $output =~ c\ +unconfirmed ]]
        expect_error '1 members are not proven'
}

@test "invalidate that is pending, or late, ends with 75" {
        fake <<<'{"publish": [{"outcome": 3}, {"outcome": -1004}, {"error": [-1004, "wait not over"]}]}'
        ctl invalidate --region r k
        expect_status 75
        expect_output pending
        ctl invalidate --region r k
        expect_status 75
        expect_output timeout
        ctl invalidate --region r k
        expect_status 75
        expect_no_output
}

@test "invalidate that is not allowed ends with 77" {
        fake <<<'{"publish": {"error": [-1, "uid 1000 may not publish"]}}'
        ctl invalidate --region r k
        expect_status 77
        expect_error 'uid 1000 may not publish'
}

@test "invalidate refuses what cannot be meant" {
        fake <<<'{"publish": {"outcome": 0}}'
        ctl invalidate k
        expect_status 64
        expect_error '--region is needed'
        ctl invalidate --region r
        expect_status 64
        expect_error 'nothing to invalidate'
        ctl invalidate --region r --whole-region k
        expect_status 64
        ctl invalidate --region r k --wait all
        expect_status 64
        expect_error 'none, node or mesh'
        ctl invalidate --region r ""
        expect_status 64
        expect_error 'key number 1 has 0 bytes'
        ctl invalidate --region r "$(printf 'k%.0s' {1..1025})"
        expect_status 64
        expect_error '1 to 1024 are possible'
        ctl invalidate --region r --tag "$(printf 't%.0s' {1..256})"
        expect_status 64
        refute grep PUBLISH "$socket.log"
}

@test "monitor shows events until it has seen enough" {
        fake <<<'{"events": [
                {"schema": "cachemesh.event/1", "time_ms": 1500, "source": "b", "position": 5, "kind": "invalidate", "region": "users",
                 "whole_region": false, "n_keys": 20, "n_tags": 1, "keys": ["aabbccddeeff"], "tags": ["112233445566"], "skipped": 0},
                {"schema": "cachemesh.event/1", "time_ms": 2500, "source": "b", "position": 6, "kind": "all", "region": "",
                 "whole_region": false, "n_keys": 0, "n_tags": 0, "keys": [], "tags": [], "skipped": 4}]}'
        ctl monitor --count 2
        expect_status 0
        [[ ${lines[0]} =~ ^TIME\ +SOURCE\ +POSITION\ +KIND\ +REGION\ +TARGETS$ ]]
        [[ ${lines[1]} =~ ^00:00:01.500\ +b\ +5\ +invalidate\ +users\ +key:aabbccddeeff\ \+19\ keys\ tag:112233445566$ ]]
        [[ ${lines[2]} =~ all ]]
        expect_error '4 events skipped'
        expect_asked 'SUBSCRIBE monitor {"rate":100,"show_keys":false}'
        ctl monitor --count 1 -o jsonl --show-keys --rate 7
        json 'd["position"] == 5'
        expect_asked '{"rate":7,"show_keys":true}'
}

@test "monitor of one region leaves others out, but not what concerns all" {
        fake <<<'{"events": [{"kind": "invalidate", "region": "x", "position": 1}, {"kind": "all", "region": "", "position": 2},
                {"kind": "invalidate", "region": "users", "position": 3}]}'
        ctl monitor --region users --count 2 -o jsonl
        expect_status 0
        [ "${#lines[@]}" -eq 2 ]
        [[ $output != *'"x"'* ]]
}

@test "monitor ends with --timeout, and with 75 if it wanted more" {
        fake <<<'{"events": [{"kind": "all", "position": 1}]}'
        ctl monitor --timeout 0.3
        expect_status 0
        expect_output all
        ctl monitor --timeout 0.3 --count 2
        expect_status 75
        expect_error 'after 1 of 2 events'
}

@test "monitor ends quietly when nobody reads it any more" {
        fake <<<'{"events": []}'
        run --separate-stderr timeout 20 bash -c "'$MESHCTL' --socket '$socket' monitor | head -0; exit \${PIPESTATUS[0]}"
        expect_status 0
        expect_no_output
        expect_no_error
}

@test "monitor that meshd refuses says so" {
        answers monitor '{"error": [-1, "uid 1000 may not monitor"]}'
        ctl monitor
        expect_status 77
}

@test "wait passes its goal on" {
        answers wait '{"schema": "cachemesh.wait/1", "for": "peers", "waited_ms": 12}'
        ctl wait --for=peers=2 --timeout 3
        expect_status 0
        expect_output 12ms
        grep -qE 'QUERY wait \{"count":2,"for":"peers","timeout_ms":(2[0-9]{3}|3000)\}' "$socket.log"
        ctl wait --for caught-up
        expect_asked '"for":"caught-up"'
}

@test "wait ends with 75 when meshd says that the time is over" {
        answers wait '{"error": [-1004, "1 of 2 peers live"]}'
        ctl wait --for=peers=2 --timeout 1
        expect_status 75
        expect_error '1 of 2 peers live'
}

@test "wait refuses other goals" {
        ctl wait
        expect_status 64
        expect_error '--for=live'
        for goal in dead peers= peers=x peers=513 peers; do
                ctl wait --for=$goal
                expect_status 64
        done
}

@test "wait also waits for meshd to come up" {
        mkfifo "$BATS_TEST_TMPDIR/out"
        script -qec "'$MESHCTL' --socket '$socket' wait --for=live --timeout 30 -o name" /dev/null \
                >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- </dev/null &
        pids+=($!)
        exec 4<"$BATS_TEST_TMPDIR/out"
        # its progress tells that it has found nobody
        IFS= read -r -t 20 -d s text <&4
        [[ $text == *'waiting for live, 1 ' ]]
        answers wait '{"for": "live", "waited_ms": 1}'
        run cat <&4
        expect_output $'live\r'
        wait "${pids[0]}"
}

@test "stats lists the counters" {
        answers stats '{"schema": "cachemesh.stats/1", "published": 5, "applied": 18446744073709551, "local_malformed": 0}'
        ctl stats
        expect_status 0
        [[ $output =~ published\ +5 ]]
        ctl stats -o json
        json 'd["applied"] == 18446744073709551'
}

@test "regions and clients are tables" {
        fake <<<'{"answers": {"regions": {"regions": [{"name": "users", "index": 0, "fresh": "bounded", "ttl_ms": 0, "hold_ms": 2500, "version": 1, "budget_bytes": 67108864, "clients": 2, "is_conflicting": true, "elsewhere": "beta: ttl 5 ms"}]},
                "clients": {"clients": [{"name": "app", "pid": 7, "uid": 1000, "connected_ms": 90061, "has_page": true, "regions": 1, "published": 4, "requests": 9, "waiting": 0, "bytes_in": 10, "bytes_out": 2048}]}}}'
        ctl regions
        expect_status 0
        [[ ${lines[1]} =~ ^users\ +bounded\ +0ms\ +2.5s\ +1\ +64.0MiB\ +2\ +yes\ +beta:\ ttl\ 5\ ms$ ]]
        ctl clients -o wide
        [[ ${lines[1]} =~ ^app\ +7\ +1000\ +1m30s\ +yes\ +1\ +4\ +0\ +9\ +10B\ +2.0KiB$ ]]
}

@test "forget says whom, or why not" {
        answers forget '[{"schema": "cachemesh.forget/1", "peer": "b", "id": "2"}, {"error": [-16, "peer \"b\" is live"]}]'
        ctl forget b
        expect_status 0
        expect_asked 'QUERY forget {"peer":"b"}'
        ctl forget b
        expect_status 1
        expect_error 'peer "b" is live'
}

@test "version names both programs" {
        answers version '{"schema": "cachemesh.version/1", "software": "9.9", "protocol_min": 1}'
        ctl version -o json
        expect_status 0
        json 'd["software"] == "9.9" and d["meshctl"]'
}

@test "version without meshd still names meshctl, and ends with 69" {
        ctl version
        expect_status 69
        expect_output meshctl
        expect_error 'cannot reach meshd'
}

why_document() {
        printf '{"schema": "cachemesh.why/1", "node": "a", "is_served": %s, "verdict": "%s", "key": "0123456789ab", "lease_left_ms": 700,
                "stamps": [{"what": "key", "stamp": 7, "has_intent": false, "ago_ms": 3200, "source": "b", "position": 4,
                "kind": "invalidate", "cause": "this key was invalidated"}]}' "$@"
}

@test "why shows the stamps and ends with 2 if nothing is served" {
        answers why "[$(why_document true 'served, if'), $(why_document false 'the lease does not run')]"
        ctl why --region users 42
        expect_status 0
        expect_no_error
        expect_asked 'why'
        [[ ${lines[-1]} =~ ^key\ +7\ +3.2s\ +b\ +4\ +invalidate\ +this\ key ]]
        ctl why --region users 42
        expect_status 2
        expect_output 'the lease does not run'
        ctl -q why --region users 42
        expect_status 2
        expect_no_output
}

@test "why and trace want one key and a region that can be" {
        for verb in why trace; do
                ctl $verb 42
                expect_status 64
                expect_error '--region is needed'
                ctl $verb --region users
                expect_status 64
                ctl $verb --region users $'a\tb'
                expect_status 64
                expect_error 'control character at byte 2'
                ctl $verb --region users "$(printf 'x%.0s' {1..1025})"
                expect_status 64
                expect_error '1025 bytes, 1 to 1024'
        done
}

trace_document() {
        printf '{"schema": "cachemesh.trace/1", "key": "0123456789ab", "position": 4, "outcome": "%s", "hops": [
                {"name": "a", "is_self": true, "state": "live", "sent_us": null, "applied_us": 9, "outcome": "applied"}]}' "$1"
}

@test "trace ends with 75 if the mesh has not confirmed" {
        answers trace "[$(trace_document applied), $(trace_document partial)]"
        ctl trace --region users 42
        expect_status 0
        [[ ${lines[-1]} =~ ^a\*\ +live\ +-\ +9us ]]
        ctl trace --region users 42
        expect_status 75
        expect_error 'not proven to be applied everywhere: partial'
}
