#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sessions of a node, as a meshd that answers from a script tells them.
load fake

key=000102030405060708090a0b0c0d0e0f
row='{"key": "'$key'", "state": "alive", "uid": 33, "space": "aa", "principal": "", "tag": "cart", "bytes": 2048, "epoch": 3, "seq": 9, "age_ms": 61000, "idle_ms": 1500, "idle_ttl_ms": 0, "left_ms": 3600000}'

@test "sessions are a table" {
        fake <<<'{"answers": {"sessions": {"sessions": ['"$row"'], "n_sessions": 1, "has_more": false, "next": ""}}}'
        ctl sessions
        expect_status 0
        expect_asked 'QUERY sessions {"from":"","limit":1000}'
        [[ ${lines[0]} =~ ^KEY\ +TAG\ +SIZE\ +AGE\ +IDLE\ +LEFT$ ]]
        [[ ${lines[1]} =~ ^$key\ +cart\ +2.0KiB\ +1m ]]
        expect_no_error
        ctl sessions -o wide
        [[ ${lines[1]} =~ \ 3\ +9\ +33\ +aa ]]
        ctl sessions -o name
        [ "$output" = "$key" ]
}

@test "it is said when more are held than are shown" {
        fake <<<'{"answers": {"sessions": {"sessions": ['"$row"'], "n_sessions": 12, "has_more": true, "next": "ff"}}}'
        ctl sessions --limit 1
        expect_status 0
        expect_asked 'QUERY sessions {"from":"","limit":1}'
        expect_error "12 are held; --limit shows more"
        ctl sessions --limit 1 -q
        expect_no_error
        ctl sessions --limit 0
        expect_status 64
        ctl sessions --limit many
        expect_status 64
}

@test "who is told no totals is told that there may be more" {
        fake <<<'{"answers": {"sessions": {"sessions": ['"$row"'], "has_more": true, "next": "ff"}}}'
        ctl sessions --limit 1
        expect_status 0
        expect_error "there may be more; --limit shows them"
}

@test "those of one namespace are asked for by its name" {
        fake <<<'{"answers": {"sessions": {"sessions": ['"$row"'], "n_sessions": 9, "has_more": false, "next": ""}}}'
        ctl sessions --space shop
        expect_status 0
        expect_asked 'QUERY sessions {"from":"","limit":1000,"space":"shop"}'
}

@test "what does not fit into one answer is asked for page by page" {
        fake <<<'{"answers": {"sessions": {"sessions": ['"$row"'], "n_sessions": 9, "has_more": true, "next": "'$key'"}}}'
        ctl sessions --limit 3
        expect_status 0
        [ "${#lines[@]}" -ge 4 ]
        expect_asked 'QUERY sessions {"from":"'$key'","limit":2}'
        expect_asked 'QUERY sessions {"from":"'$key'","limit":1}'
}

@test "one session is shown, and ended, by its key" {
        fake <<<'{"answers": {"session": '"$row"', "session_destroy": '"$row"'}}'
        ctl sessions show $key
        expect_status 0
        expect_asked 'QUERY session {"key":"'$key'"}'
        ctl sessions destroy $key
        expect_status 0
        expect_asked 'QUERY session_destroy {"key":"'$key'"}'
}

@test "what is no key, or no such session, is refused" {
        fake <<<'{"answers": {"session": {"error": [-2, "this node knows no session with this key"]}}}'
        ctl sessions show $key
        expect_status 1
        expect_error "knows no session"
        for operands in show "show abc" "drop $key" "show ${key}0" "show ${key^^}"; do
                ctl sessions $operands
                expect_status 64
        done
}
