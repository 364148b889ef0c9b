# SPDX-License-Identifier: MIT
# Helpers of the bats files here: a fake meshd per case, and what it was asked.
bats_require_minimum_version 1.5.0

: "${MESHCTL:=$BATS_TEST_DIRNAME/../../build/meshctl/meshctl}"
: "${FAKE_MESHD:=$BATS_TEST_DIRNAME/../../build/tests/meshctl/fake_meshd}"

setup() {
        unset NO_COLOR CACHEMESH_SOCKET
        export TZ=UTC TERM=xterm
        socket=$BATS_TEST_TMPDIR/s
        pids=()
}

teardown() {
        for pid in "${pids[@]}"; do
                kill "$pid" 2>/dev/null || true
        done
}

# fake <<<SCENARIO: start a meshd that answers from the scenario
fake() {
        cat >"$BATS_TEST_TMPDIR/scenario.json"
        pids+=("$("$FAKE_MESHD" "$socket" "$BATS_TEST_TMPDIR/scenario.json")")
}

# answers VERB DOCUMENT: one that answers this, or one of a list after the other
answers() {
        fake <<<"{\"answers\": {\"$1\": $2}}"
}

# ctl ARGUMENT...: run meshctl against it; sets status, output, stderr, lines
ctl() {
        run --separate-stderr "$MESHCTL" --socket "$socket" "$@"
        echo "# meshctl $*: status $status"
        echo "$output"
        echo "$stderr"
}

# refute COMMAND...: it must fail ("!" alone would not end the case)
refute() {
        if "$@"; then
                return 1
        fi
}

expect_status() {
        [ "$status" -eq "$1" ]
}

# the text is somewhere on standard error / output
expect_error() {
        [[ $stderr == *"$1"* ]]
}

expect_output() {
        [[ $output == *"$1"* ]]
}

expect_no_output() {
        [ -z "$output" ]
}

expect_no_error() {
        [ -z "$stderr" ]
}

# the fake was asked this
expect_asked() {
        grep -qF -- "$1" "$socket.log" || { cat "$socket.log"; return 1; }
}

# the fake is asked this within 10 s
until_asked() {
        for ((i = 0; i < 1000; i++)); do
                grep -qF -- "$1" "$socket.log" 2>/dev/null && return 0
                sleep 0.01
        done
        cat "$socket.log"
        return 1
}

# json EXPRESSION: evaluate in Python with the output as d
json() {
        python3 -c 'import json, sys; d = json.loads(sys.argv[1]); sys.exit(0 if eval(sys.argv[2]) else 1)' "$output" "$1"
}

peers_row() {
        printf '{"is_self": %s, "name": "%s", "id": "id-%s", "state": "%s", "state_ms": 5000, "address": "127.0.0.1:6781",
                "software": "0.1.0", "incarnation": 7, "rtt_us": 312, "seen_ms": 40, "lag": 0, "behind": 3, "gaps": 0,
                "resets": 0, "lapses": 0}' "$1" "$2" "$2" "$3"
}

# peers_document NAME:STATE...: rows of peers; this node has a star behind its name
peers_document() {
        local rows=() member is_self
        for member in "$@"; do
                is_self=false
                [[ $member != *'*'* ]] || is_self=true
                rows+=("$(peers_row "$is_self" "${member%%[*:]*}" "${member##*:}")")
        done
        local IFS=,
        printf '{"schema": "cachemesh.peers/1", "peers": [%s]}' "${rows[*]}"
}
