# SPDX-License-Identifier: MIT
# Helpers: a mesh of real meshd on loopback, without multicast, so that it is alone on any host.
bats_require_minimum_version 1.5.0

: "${MESHCTL:=$BATS_TEST_DIRNAME/../../build/meshctl/meshctl}"
: "${MESHD:=$BATS_TEST_DIRNAME/../../build/meshd/meshd}"

setup_file() {
        export MESH=meshctl-$$-$RANDOM
}

setup() {
        unset NO_COLOR CACHEMESH_SOCKET
        declare -gA pids=()
        first=
}

teardown() {
        for pid in "${pids[@]}"; do
                kill -CONT "$pid" 2>/dev/null || true
                kill -KILL "$pid" 2>/dev/null || true
                wait "$pid" 2>/dev/null || true
        done
}

# ctl NODE ARGUMENT...
ctl() {
        run --separate-stderr "$MESHCTL" --socket "$BATS_TEST_TMPDIR/$1.sock" "${@:2}"
        echo "# at $1: meshctl ${*:2}: status $status"
        echo "$output"
        echo "$stderr"
}

# node NAME FLAG...: start one; each but the first is told of the first
node() {
        local name=$1
        shift
        mkdir -p -m 700 "$BATS_TEST_TMPDIR/$name"
        "$MESHD" --name "$name" --mesh "$MESH" --listen 127.0.0.1:0 --multicast off \
                --socket "$BATS_TEST_TMPDIR/$name.sock" --runtime-dir "$BATS_TEST_TMPDIR/$name" \
                --state-dir "$BATS_TEST_TMPDIR/$name" ${first:+--peer "$first"} "$@" \
                >>"$BATS_TEST_TMPDIR/$name.log" 2>&1 3>&- </dev/null &
        pids[$name]=$!
        if [ -z "$first" ]; then
                ctl "$name" wait --for=peers=0 --timeout 60 -q
                first=$(address_of "$name")
        fi
}

# field NODE VERB KEY...: one value of a JSON document
field() {
        "$MESHCTL" --socket "$BATS_TEST_TMPDIR/$1.sock" "$2" -o json |
                python3 -c 'import json, sys; d = json.load(sys.stdin); print(d[sys.argv[1]])' "$3"
}

address_of() {
        field "$1" status listen
}

three() {
        node a
        node b
        node c
        ctl a wait --for=peers=2 --timeout 60
        [ "$status" -eq 0 ]
        ctl a links --wait --check --timeout 60
        [ "$status" -eq 0 ]
}

stop() {
        kill -STOP "${pids[$1]}"
}

slay() {
        kill -KILL "${pids[$1]}"
        wait "${pids[$1]}" 2>/dev/null || true
        unset "pids[$1]"
}

# until_true COMMAND...: again and again, up to 60 s; each try should block a little by itself
until_true() {
        local end=$((SECONDS + 60))

        until "$@"; do
                [ $SECONDS -lt $end ] || return 1
        done
}

json() {
        python3 -c 'import json, sys; d = json.loads(sys.argv[1]); sys.exit(0 if eval(sys.argv[2]) else 1)' "$output" "$1"
}
