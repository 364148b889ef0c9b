#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Open write intents, as a meshd that answers from a script tells them; and holds, as it is told them.
load fake

row='{"node": "alpha", "id": "61", "stream": "00000000000000ff", "position": 7, "region": "users", "n_keys": 2, "n_tags": 1, "first": "f39d7b0ae4ad", "age_ms": 1500, "left_ms": 3500, "client": "app", "pid": 42}'

@test "intents are a table" {
        answers intents '{"intents": ['"$row"']}'
        ctl intents
        expect_status 0
        expect_asked 'QUERY intents {"show_keys":false}'
        [[ ${lines[0]} =~ ^REGION\ +NODE\ +CLIENT\ +PID\ +KEYS\ +TAGS\ +FIRST\ +AGE\ +LEFT$ ]]
        [[ ${lines[1]} =~ ^users\ +alpha\ +app\ +42\ +2\ +1\ +f39d7b0ae4ad\ +1.5s\ +3.5s$ ]]
        ctl intents -o wide
        [[ ${lines[1]} =~ 7\ +00000000000000ff$ ]]
        ctl intents -o json
        json 'd["intents"][0]["stream"] == "00000000000000ff" and d["intents"][0]["left_ms"] == 3500'
}

@test "it is said when there are more than an answer holds" {
        answers intents '{"intents": ['"$row"'], "n_more": 12}'
        ctl intents --show-keys
        expect_status 0
        expect_error "12 more are open than one answer holds"
        [ "${#lines[@]}" -eq 2 ]
        ctl intents -q
        expect_no_error
}

@test "keys are asked for only when they are to be shown" {
        answers intents '{"intents": []}'
        ctl intents --show-keys
        expect_status 0
        expect_asked 'QUERY intents {"show_keys":true}'
        [ "${#lines[@]}" -le 1 ]
}

@test "a meshd that does not answer it, or is not there, has its exit status" {
        answers intents '{"error": [-95, "meshd has no such query"]}'
        ctl intents
        expect_status 1
        expect_error 'no such query'
        run "$MESHCTL" --socket "$BATS_TEST_TMPDIR/none" intents
        [ "$status" -eq 69 ]
        ctl intents extra
        expect_status 64
}

@test "invalidate holds what it publishes if told so" {
        fake <<<'{"publish": {"outcome": 0, "position": 7, "applied": 2}}'
        ctl invalidate --region users --hold 1500 k1
        expect_status 0
        expect_asked 'PUBLISH wait=2 region=users n_keys=1 n_tags=0 whole=0 hold=1500 key=k1'
        for ms in 0 60001 1s; do
                ctl invalidate --region users --hold "$ms" k1
                expect_status 64
                expect_error "--hold=$ms"
        done
}
