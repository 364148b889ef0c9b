#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What this node and others are, and whether they hear each other: what is asked, what is shown, how it ends.
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
        answers peers "$(peers_document 'a*:live' b:live)"
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
                answers peers "$(peers_document 'a*:live' "b:$state")"
                ctl peers
                expect_status 2
                expect_output "$state"
                ctl -q peers
                expect_status 2
                expect_no_output
        done
}

@test "peers that have left or were only seen are no failure" {
        answers peers "$(peers_document b:left c:seen)"
        ctl peers
        expect_status 0
}

@test "a table can be had wide, without headers, as JSON, as JSON lines and as names" {
        answers peers "$(peers_document 'a*:live' b:live)"
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
        answers peer "$(peers_row false b live)"
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
        answers peer "${row%\}}, \"transitions\": [{\"ago_ms\": 1500, \"from\": \"live\", \"state\": \"silent\", \"why\": \"nothing came\"}]}"
        ctl peer b
        expect_status 2
        [[ $output =~ AGO\ +FROM\ +TO\ +WHY.*1.5s\ +live\ +silent\ +nothing\ came ]]
        ctl peer b -o json
        json 'd["transitions"][0]["why"] == "nothing came"'
        ctl peer b -o name
        [ "$output" = b ]
}

@test "peer of a silent member ends with 2, of an unknown one with 1" {
        answers peer "[$(peers_row false b silent), {\"error\": [-2, \"no peer \\\"x\\\"\"]}]"
        ctl peer b
        expect_status 2
        ctl peer x
        expect_status 1
        expect_no_output
        expect_error 'meshctl peer: no peer "x"'
        expect_error 'next: meshctl peers -o name'
}

@test "status shows one screen, with rates from two looks" {
        answers status "[$(status_document live '' 60000 2 0 100 ''), $(status_document live '' 60200 2 0 150 '')]"
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
        answers status "$(status_document joining 'name a is used by 10.0.0.2' 5 0 0 0 'refused by b')"
        ctl status
        expect_status 2
        expect_output 'joining: name a is used by 10.0.0.2'
        expect_output '12.0s ago: refused by b'
        ctl status -o json
        expect_status 2
        json 'd["reason"] == "name a is used by 10.0.0.2"'
}

@test "status ends with 2 when a peer is silent" {
        answers status "$(status_document live '' 5 1 1 0 '')"
        ctl status
        expect_status 2
        expect_output '1 live, 1 silent'
}

@test "links shows the whole matrix, senders in rows" {
        answers links "$(links_document .11 1.1 01.)"
        ctl links
        expect_status 0
        expect_no_error
        [[ ${lines[0]} =~ ^FROM.TO\ +a\ +b\ +c$ ]]
        [[ ${lines[1]} =~ ^a\ +\.\ +yes\ +NO$ ]]
        [[ ${lines[2]} =~ ^b\ +yes\ +\.\ +yes$ ]]
        [[ ${lines[3]} =~ ^c\ +yes\ +yes\ +\.$ ]]
}

@test "links --check is silent and ends with 0 when each cell is connected" {
        answers links "$(links_document .11 1.1 11.)"
        ctl links --check
        expect_status 0
        expect_no_output
        expect_no_error
        ctl links --check -o json
        json 'd["links"] == []'
}

@test "links --check names exactly the cell that is cut" {
        answers links "$(links_document .11 1.1 01.)"
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
        answers links "$(links_document .11 1.1 '??.')"
        ctl links --check
        expect_status 2
        expect_output unknown
}

@test "links as JSON has each link by name" {
        answers links "$(links_document .11 1.1 01.)"
        ctl links -o json
        expect_status 0
        json 'len(d["links"]) == 6 and {"from": "a", "to": "c", "state": "cut"} in d["links"]'
}

@test "links --wait asks until the mesh is full" {
        answers links "[$(links_document .00 0.0 00.), $(links_document .11 1.1 01.), $(links_document .11 1.1 11.)]"
        ctl links --wait --check --timeout 20
        expect_status 0
        [ "$(grep -c 'QUERY links' "$socket.log")" -eq 3 ]
}

@test "links --wait ends with 75 when the time is over" {
        answers links "$(links_document .11 1.1 01.)"
        ctl links --wait --timeout 0.3
        expect_status 75
        expect_output NO
        expect_error 'not connected'
}

@test "a links answer of another form is refused" {
        answers links '[{"nodes": [{"name": "a", "hears": "11"}]}, {"nodes": 7}]'
        ctl links
        expect_status 1
        expect_error 'not of the form'
        ctl links
        expect_status 1
}

@test "ping sums up its rounds" {
        answers ping '[{"peers": [{"name": "b", "id": "2", "rtt_us": 100, "error": ""}]},
                {"peers": [{"name": "b", "id": "2", "rtt_us": 300, "error": ""}]}]'
        ctl ping --count 2 -o json
        expect_status 0
        json 'd["peers"][0] == {"name": "b", "id": "2", "sent": 2, "answered": 2, "rtt_us": 300, "min_us": 100, "mean_us": 200, "max_us": 300, "error": ""}'
}

@test "ping ends with 75 if one does not answer" {
        answers ping '{"peers": [{"name": "b", "id": "2", "rtt_us": 100, "error": ""}, {"name": "c", "id": "3", "rtt_us": null, "error": "no answer"}]}'
        ctl ping
        expect_status 75
        expect_output 'no answer'
        expect_error '1 of 2 pings were not answered'
}

@test "ping of all names those that are gone and ends with 2" {
        answers ping '{"peers": [{"name": "b", "id": "2", "state": "live", "rtt_us": 100, "error": ""}, {"name": "c", "id": "3", "state": "gone", "rtt_us": null, "error": "gone"}]}'
        ctl ping
        expect_status 2
        [[ ${lines[2]} =~ ^c\ .*gone$ ]]
        expect_error 'not all members are there to be asked: c'
        ctl ping c
        expect_status 75
}

@test "ping asks each peer that was named" {
        answers ping '[{"peers": [{"name": "b", "id": "2", "rtt_us": 1, "error": ""}]}, {"peers": [{"name": "c", "id": "3", "rtt_us": 1, "error": ""}]}]'
        ctl ping b c
        expect_status 0
        expect_asked '"peer":"b"'
        expect_asked '"peer":"c"'
}

@test "doctor of a meshd that does not know it says so" {
        answers status "$(status_document live '' 1000 2 0 5 '')"
        ctl doctor
        expect_status 1
        expect_no_output
}
