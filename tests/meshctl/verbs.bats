#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each verb against a fake meshd: what it asks, what it shows, how it ends.
load fake

status_document() {
        printf '{"schema": "cachemesh.status/1", "node": "a", "id": "id-a", "mesh": "m", "software": "0.1.0", "pid": 42,
                "state": "%s", "reason": "%s", "incarnation": 7, "listen": "127.0.0.1:6781", "advertise": ["127.0.0.1:6781"],
                "multicast": "on", "uptime_ms": %s, "live_ms": 61000, "lease_left_ms": 780, "lease_ms": 1000,
                "stream": "00ff", "position": 9, "oldest": 1, "peers": 2, "peers_live": %s, "peers_silent": %s,
                "clients": 3, "regions": 2, "waits": 0, "published": %s, "applied": 40, "worst_lag": 12,
                "worst_lag_peer": "c", "last_problem": "%s", "last_problem_ms": 12000}' "$@"
}

links_document() {
        printf '{"schema": "cachemesh.links/1", "self": "a", "nodes": [
                {"name": "a", "id": "1", "state": "live", "answered": true, "hears": "%s"},
                {"name": "b", "id": "2", "state": "live", "answered": true, "hears": "%s"},
                {"name": "c", "id": "3", "state": "live", "answered": true, "hears": "%s"}]}' "$@"
}

@test "peers shows a row for each member and marks this node" {
        fake <<<"{\"answers\": {\"peers\": {\"schema\": \"cachemesh.peers/1\", \"peers\": [$(peers_row true a live), $(peers_row false b live)]}}}"
        ctl peers
        expect_status 0
        expect_no_error
        [[ ${lines[0]} =~ ^NAME\ +STATE\ +ADDRESS\ +RTT\ +SEEN\ +LAG\ +GAPS\ +VERSION$ ]]
        [[ ${lines[1]} =~ ^a\*\ +live\ +127.0.0.1:6781\ +312us\ +40ms\ +0\ +0\ +0.1.0$ ]]
        [[ ${lines[2]} =~ ^b\ +live ]]
        [ "${#lines[@]}" -eq 3 ]
        expect_asked 'ATTACH meshctl wants_page=0'
}

@test "peers ends with 2 if one is silent, and with 2 if one is gone" {
        for state in silent gone; do
                rm -f "$socket"
                fake <<<"{\"answers\": {\"peers\": {\"peers\": [$(peers_row true a live), $(peers_row false b "$state")]}}}"
                ctl peers
                expect_status 2
                expect_output "$state"
                ctl -q peers
                expect_status 2
                expect_no_output
        done
}

@test "peers that have left or were only seen are no failure" {
        fake <<<"{\"answers\": {\"peers\": {\"peers\": [$(peers_row false b left), $(peers_row false c seen)]}}}"
        ctl peers
        expect_status 0
}

@test "a table can be had wide, without headers, as JSON, as JSON lines and as names" {
        fake <<<"{\"answers\": {\"peers\": {\"schema\": \"cachemesh.peers/1\", \"peers\": [$(peers_row true a live), $(peers_row false b live)]}}}"
        ctl peers -o wide
        expect_output BEHIND
        expect_output id-b
        ctl peers --no-headers
        [ "${#lines[@]}" -eq 2 ]
        ctl peers -o json
        json 'd["schema"] == "cachemesh.peers/1" and d["peers"][1]["rtt_us"] == 312 and d["peers"][0]["is_self"]'
        ctl peers -o jsonl
        [ "${#lines[@]}" -eq 2 ]
        output=${lines[1]}
        json 'd["name"] == "b"'
        ctl peers -o name
        [ "$output" = $'a\nb' ]
}

@test "peer asks for one and shows all its fields with units" {
        fake <<<"{\"answers\": {\"peer\": $(peers_row false b live)}}"
        ctl peer b
        expect_status 0
        expect_asked 'QUERY peer {"peer":"b"}'
        expect_output 'state_ms'
        expect_output '5.0s'
        ctl peer b -o json
        json 'd["behind"] == 3'
}

@test "peer shows the last changes of state and why" {
        row=$(peers_row false b silent)
        fake <<<"{\"answers\": {\"peer\": ${row%\}}, \"transitions\": [{\"ago_ms\": 1500, \"from\": \"live\", \"state\": \"silent\", \"why\": \"nothing came\"}]}}}"
        ctl peer b
        expect_status 2
        [[ $output =~ AGO\ +FROM\ +TO\ +WHY.*1.5s\ +live\ +silent\ +nothing\ came ]]
        ctl peer b -o json
        json 'd["transitions"][0]["why"] == "nothing came"'
        ctl peer b -o name
        [ "$output" = b ]
}

@test "peer of a silent member ends with 2, of an unknown one with 1" {
        fake <<<"{\"answers\": {\"peer\": [$(peers_row false b silent), {\"error\": [-2, \"no peer \\\"x\\\"\"]}]}}"
        ctl peer b
        expect_status 2
        ctl peer x
        expect_status 1
        expect_no_output
        expect_error 'meshctl peer: no peer "x"'
        expect_error 'next: meshctl peers -o name'
}

@test "status shows one screen, with rates from two looks" {
        fake <<<"{\"answers\": {\"status\": [$(status_document live '' 60000 2 0 100 ''), $(status_document live '' 60200 2 0 150 '')]}}"
        ctl status
        expect_status 0
        expect_output 'a in mesh m, pid 42'
        expect_output 'live for 1m01s'
        expect_output '2 live'
        expect_output '12 operations of c'
        [[ $output =~ published\ +150,\ now\ [0-9.]+/s ]]
        expect_output none
}

@test "status ends with 2 when not live, and says why" {
        fake <<<"{\"answers\": {\"status\": $(status_document joining 'name a is used by 10.0.0.2' 5 0 0 0 'refused by b')}}"
        ctl status
        expect_status 2
        expect_output 'joining: name a is used by 10.0.0.2'
        expect_output '12.0s ago: refused by b'
        ctl status -o json
        expect_status 2
        json 'd["reason"] == "name a is used by 10.0.0.2"'
}

@test "status ends with 2 when a peer is silent" {
        fake <<<"{\"answers\": {\"status\": $(status_document live '' 5 1 1 0 '')}}"
        ctl status
        expect_status 2
        expect_output '1 live, 1 silent'
}

@test "links shows the whole matrix, senders in rows" {
        fake <<<"{\"answers\": {\"links\": $(links_document .11 1.1 01.)}}"
        ctl links
        expect_status 0
        expect_no_error
        [[ ${lines[0]} =~ ^FROM.TO\ +a\ +b\ +c$ ]]
        [[ ${lines[1]} =~ ^a\ +\.\ +yes\ +NO$ ]]
        [[ ${lines[2]} =~ ^b\ +yes\ +\.\ +yes$ ]]
        [[ ${lines[3]} =~ ^c\ +yes\ +yes\ +\.$ ]]
}

@test "links --check is silent and ends with 0 when each cell is connected" {
        fake <<<"{\"answers\": {\"links\": $(links_document .11 1.1 11.)}}"
        ctl links --check
        expect_status 0
        expect_no_output
        expect_no_error
        ctl links --check -o json
        json 'd["links"] == []'
}

@test "links --check names exactly the cell that is cut" {
        fake <<<"{\"answers\": {\"links\": $(links_document .11 1.1 01.)}}"
        ctl links --check
        expect_status 2
        [[ ${lines[1]} =~ ^a\ +c\ +cut$ ]]
        [ "${#lines[@]}" -eq 2 ]
        expect_error '1 of 6 links are not connected'
        ctl links --check -o json
        expect_status 2
        json 'd["links"] == [{"from": "a", "to": "c", "state": "cut"}]'
}

@test "links --check does not take unknown for connected" {
        fake <<<"{\"answers\": {\"links\": $(links_document .11 1.1 '??.')}}"
        ctl links --check
        expect_status 2
        expect_output unknown
}

@test "links as JSON has each link by name" {
        fake <<<"{\"answers\": {\"links\": $(links_document .11 1.1 01.)}}"
        ctl links -o json
        expect_status 0
        json 'len(d["links"]) == 6 and {"from": "a", "to": "c", "state": "cut"} in d["links"]'
}

@test "links --wait asks until the mesh is full" {
        fake <<<"{\"answers\": {\"links\": [$(links_document .00 0.0 00.), $(links_document .11 1.1 01.), $(links_document .11 1.1 11.)]}}"
        ctl links --wait --check --timeout 20
        expect_status 0
        [ "$(grep -c 'QUERY links' "$socket.log")" -eq 3 ]
}

@test "links --wait ends with 75 when the time is over" {
        fake <<<"{\"answers\": {\"links\": $(links_document .11 1.1 01.)}}"
        ctl links --wait --timeout 0.3
        expect_status 75
        expect_output NO
        expect_error 'not connected'
}

@test "a links answer of another form is refused" {
        fake <<<'{"answers": {"links": [{"nodes": [{"name": "a", "hears": "11"}]}, {"nodes": 7}]}}'
        ctl links
        expect_status 1
        expect_error 'not of the form'
        ctl links
        expect_status 1
}

@test "ping sums up its rounds" {
        fake <<<'{"answers": {"ping": [{"peers": [{"name": "b", "id": "2", "rtt_us": 100, "error": ""}]},
                {"peers": [{"name": "b", "id": "2", "rtt_us": 300, "error": ""}]}]}}'
        ctl ping --count 2 -o json
        expect_status 0
        json 'd["peers"][0] == {"name": "b", "id": "2", "sent": 2, "answered": 2, "rtt_us": 300, "min_us": 100, "mean_us": 200, "max_us": 300, "error": ""}'
}

@test "ping ends with 75 if one does not answer" {
        fake <<<'{"answers": {"ping": {"peers": [{"name": "b", "id": "2", "rtt_us": 100, "error": ""}, {"name": "c", "id": "3", "rtt_us": null, "error": "no answer"}]}}}'
        ctl ping
        expect_status 75
        expect_output 'no answer'
        expect_error '1 of 2 pings were not answered'
}

@test "ping of all names those that are gone and ends with 2" {
        fake <<<'{"answers": {"ping": {"peers": [{"name": "b", "id": "2", "state": "live", "rtt_us": 100, "error": ""}, {"name": "c", "id": "3", "state": "gone", "rtt_us": null, "error": "gone"}]}}}'
        ctl ping
        expect_status 2
        [[ ${lines[2]} =~ ^c\ .*gone$ ]]
        expect_error 'not all members are there to be asked: c'
        ctl ping c
        expect_status 75
}

@test "ping asks each peer that was named" {
        fake <<<'{"answers": {"ping": [{"peers": [{"name": "b", "id": "2", "rtt_us": 1, "error": ""}]}, {"peers": [{"name": "c", "id": "3", "rtt_us": 1, "error": ""}]}]}}'
        ctl ping b c
        expect_status 0
        expect_asked '"peer":"b"'
        expect_asked '"peer":"c"'
}

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
        run --separate-stderr bash -c "seq 1 25000 | '$MESHCTL' --socket '$socket' invalidate --region r --stdin -o json"
        expect_status 0
        json 'd["n_targets"] == 25000 and d["n_operations"] > 2'
        [ "$(grep -c 'PUBLISH wait=1' "$socket.log")" -ge 2 ]
        [ "$(grep -c 'PUBLISH wait=2' "$socket.log")" -eq 1 ]
        [ "$(sed 's/.*n_keys=\([0-9]*\).*/\1/' "$socket.log" | grep -v ATTACH | awk '{ n += $1 } END { print n }')" -eq 25000 ]
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
        fake <<<'{"answers": {"monitor": {"error": [-1, "uid 1000 may not monitor"]}}}'
        ctl monitor
        expect_status 77
}

@test "wait passes its goal on" {
        fake <<<'{"answers": {"wait": {"schema": "cachemesh.wait/1", "for": "peers", "waited_ms": 12}}}'
        ctl wait --for=peers=2 --timeout 3
        expect_status 0
        expect_output 12ms
        grep -qE 'QUERY wait \{"count":2,"for":"peers","timeout_ms":(2[0-9]{3}|3000)\}' "$socket.log"
        ctl wait --for caught-up
        expect_asked '"for":"caught-up"'
}

@test "wait ends with 75 when meshd says that the time is over" {
        fake <<<'{"answers": {"wait": {"error": [-1004, "1 of 2 peers live"]}}}'
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
        fake <<<'{"answers": {"wait": {"for": "live", "waited_ms": 1}}}'
        run cat <&4
        expect_output $'live\r'
        wait "${pids[0]}"
}

@test "stats lists the counters" {
        fake <<<'{"answers": {"stats": {"schema": "cachemesh.stats/1", "published": 5, "applied": 18446744073709551, "local_malformed": 0}}}'
        ctl stats
        expect_status 0
        [[ $output =~ published\ +5 ]]
        ctl stats -o json
        json 'd["applied"] == 18446744073709551'
}

@test "regions and clients are tables" {
        fake <<<'{"answers": {"regions": {"regions": [{"name": "users", "index": 0, "fresh": "bounded", "ttl_ms": 0, "version": 1, "budget_bytes": 67108864, "clients": 2, "is_conflicting": true, "elsewhere": "beta: ttl 5 ms"}]},
                "clients": {"clients": [{"name": "app", "pid": 7, "uid": 1000, "connected_ms": 90061, "has_page": true, "regions": 1, "published": 4, "requests": 9, "waiting": 0, "bytes_in": 10, "bytes_out": 2048}]}}}'
        ctl regions
        expect_status 0
        [[ ${lines[1]} =~ ^users\ +bounded\ +0ms\ +1\ +64.0MiB\ +2\ +yes\ +beta:\ ttl\ 5\ ms$ ]]
        ctl clients -o wide
        [[ ${lines[1]} =~ ^app\ +7\ +1000\ +1m30s\ +yes\ +1\ +4\ +0\ +9\ +10B\ +2.0KiB$ ]]
}

@test "forget says whom, or why not" {
        fake <<<'{"answers": {"forget": [{"schema": "cachemesh.forget/1", "peer": "b", "id": "2"}, {"error": [-16, "peer \"b\" is live"]}]}}'
        ctl forget b
        expect_status 0
        expect_asked 'QUERY forget {"peer":"b"}'
        ctl forget b
        expect_status 1
        expect_error 'peer "b" is live'
}

keys_document() {
        printf '{"schema": "cachemesh.keys/1", "file": "/k", "keys": [
                {"key": "00112233aabbccdd", "is_used": true}, {"key": "ffeeddcc44332211", "is_used": false}]}'
}

@test "key new makes another key each time, for its owner only, without meshd" {
        umask 0
        ctl key new "$BATS_TEST_TMPDIR/one"
        expect_status 0
        expect_no_error
        ctl key new "$BATS_TEST_TMPDIR/two" -q
        expect_status 0
        expect_no_output
        [ "$(stat -c %a "$BATS_TEST_TMPDIR/one")" = 600 ]
        [ "$(grep -Ec '^use [0-9a-f]{64}$' "$BATS_TEST_TMPDIR/one")" = 1 ]
        refute cmp -s "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
        cp "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/copy"
        ctl key new "$BATS_TEST_TMPDIR/one"
        expect_status 1
        expect_error 'is not overwritten'
        cmp "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/copy"
        ln -s "$BATS_TEST_TMPDIR/elsewhere" "$BATS_TEST_TMPDIR/link"
        ctl key new "$BATS_TEST_TMPDIR/link"
        expect_status 1
        [ ! -e "$BATS_TEST_TMPDIR/elsewhere" ]
        ctl key new "$BATS_TEST_TMPDIR/no/directory"
        expect_status 1
        expect_error 'No such file'
}

@test "key list shows fingerprints, and which one is used" {
        fake <<<"{\"answers\": {\"keys\": $(keys_document)}}"
        ctl key list
        expect_status 0
        [[ ${lines[0]} =~ ^KEY\ +IN\ USE$ ]]
        [[ ${lines[1]} =~ ^00112233aabbccdd\ +yes$ ]]
        [[ ${lines[2]} =~ ^ffeeddcc44332211\ +no$ ]]
        ctl key list -o name
        [ "$output" = $'00112233aabbccdd\nffeeddcc44332211' ]
}

@test "key install sends the key that the file says to use; use and remove send fingerprints" {
        fake <<<"{\"answers\": {\"key_install\": $(keys_document), \"key_use\": $(keys_document),
                \"key_remove\": [{\"error\": [-16, \"this key is in use: use another one first\"]}]}}"
        ctl key new "$BATS_TEST_TMPDIR/k"
        ctl key install "$BATS_TEST_TMPDIR/k"
        expect_status 0
        expect_output ffeeddcc44332211
        expect_asked "QUERY key_install {\"key\":\"$(sed -n 's/^use //p' "$BATS_TEST_TMPDIR/k")\"}"
        ctl key use ffee
        expect_status 0
        expect_asked 'QUERY key_use {"key":"ffee"}'
        ctl key remove 0011
        expect_status 1
        expect_error 'use another one first'
        refute grep -q "$(sed -n 's/^use //p' "$BATS_TEST_TMPDIR/k")" <<<"$output$stderr"
}

@test "key says what it takes" {
        for arguments in '' 'turn' 'new' 'list x' 'use' 'remove'; do
                # shellcheck disable=SC2086 # words
                ctl key $arguments
                expect_status 64
                expect_no_output
        done
        ctl key install "$BATS_TEST_DIRNAME/verbs.bats"
        expect_status 78
        expect_error 'no key file'
}

@test "version names both programs" {
        fake <<<'{"answers": {"version": {"schema": "cachemesh.version/1", "software": "9.9", "protocol_min": 1}}}'
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
        fake <<<"{\"answers\": {\"why\": [$(why_document true 'served, if'), $(why_document false 'the lease does not run')]}}"
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
        fake <<<"{\"answers\": {\"trace\": [$(trace_document applied), $(trace_document partial)]}}"
        ctl trace --region users 42
        expect_status 0
        [[ ${lines[-1]} =~ ^a\*\ +live\ +-\ +9us ]]
        ctl trace --region users 42
        expect_status 75
        expect_error 'not proven to be applied everywhere: partial'
}

@test "doctor of a meshd that does not know it says so" {
        fake <<<"{\"answers\": {\"status\": $(status_document live '' 1000 2 0 5 '')}}"
        ctl doctor
        expect_status 1
        expect_no_output
}
