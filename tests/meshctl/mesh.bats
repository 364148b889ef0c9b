#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# All verbs against real meshd processes.
load mesh

@test "each read verb works in a mesh of three" {
        three
        for verb in status peers 'peer b' links ping 'ping b c --count 3' stats regions clients intents version; do
                for format in table wide json jsonl name; do
                        ctl a $verb -o $format
                        [ "$status" -eq 0 ]
                        [ -z "$stderr" ]
                done
                ctl a $verb -o json
                json 'True'
        done
        ctl a peers -o name
        [ "$output" = $'a\nb\nc' ]
        ctl a peers -o json
        json '[p["state"] for p in d["peers"]] == ["live"] * 3 and d["peers"][0]["is_self"]'
        ctl a links -o json
        json 'len(d["links"]) == 6 and all(l["state"] == "connected" for l in d["links"])'
        ctl a ping -o json
        json 'all(p["rtt_us"] < 1000000 for p in d["peers"]) and len(d["peers"]) == 2'
        ctl a clients -o json
        json 'd["clients"][0]["name"] == "meshctl"'
}

@test "an invalidation is confirmed by all, seen by monitor, and counted" {
        three
        mkfifo "$BATS_TEST_TMPDIR/events"
        "$MESHCTL" --socket "$BATS_TEST_TMPDIR/b.sock" monitor --count 3 --timeout 30 -o jsonl >"$BATS_TEST_TMPDIR/events" 3>&- &
        pids[monitor]=$!
        exec 4<"$BATS_TEST_TMPDIR/events"
        until_true subscribed b
        ctl a invalidate --region users k1 k2
        [ "$status" -eq 0 ]
        [[ ${lines[1]} =~ ^applied\ +1\ +2\ +2\ +0\ +0$ ]]
        ctl a invalidate --region users --tag t --wait none
        [ "$status" -eq 0 ]
        ctl a invalidate --region users --whole-region --wait node -o json
        [ "$status" -eq 0 ]
        output="[$(cat <&4 | paste -sd,)]"
        json '[e["source"] for e in d] == ["a"] * 3 and d[0]["n_keys"] == 2 and d[1]["n_tags"] == 1 and d[2]["whole_region"]'
        refute_text k1
        ctl a wait --for=caught-up
        [ "$status" -eq 0 ]
        [ "$(field b stats applied)" -eq 3 ]
}

# has the monitor's subscription arrived?
subscribed() {
        "$MESHCTL" --socket "$BATS_TEST_TMPDIR/$1.sock" clients -o json |
                python3 -c 'import json, sys; sys.exit(0 if any(c["name"] == "meshctl" and c["requests"] >= 2 and c["connected_ms"] > 100 for c in json.load(sys.stdin)["clients"]) else 1)'
}

refute_text() {
        [[ $output != *"$1"* ]]
}

@test "a hundred thousand keys from standard input arrive" {
        three
        run --separate-stderr bash -c "seq 1 100000 | '$MESHCTL' --socket '$BATS_TEST_TMPDIR/a.sock' invalidate --region r --stdin -o json"
        [ "$status" -eq 0 ]
        json 'd["n_targets"] == 100000 and d["outcome"] == "applied" and d["n_applied"] == 2'
        [ "$(field c stats applied_keys)" -eq 100000 ]
}

@test "a killed node is silent, then gone, then forgotten" {
        three
        slay c
        ctl a invalidate --region users k
        [ "$status" -eq 0 ]
        [[ $output =~ c\ +lapsed ]]
        until_true degraded
        ctl a peer c
        [ "$status" -eq 2 ]
        [[ $output =~ live\ +silent\ +nothing\ of\ it\ came\ for\ a\ lease ]]
        ctl a status
        [ "$status" -eq 2 ]
        ctl a links --check
        [ "$status" -eq 2 ]
        ctl a forget b
        [ "$status" -eq 1 ]
        until_true gone
        ctl a ping
        [ "$status" -eq 2 ]
        [[ $output =~ c\ .*\ gone ]]
        ctl a ping c
        [ "$status" -eq 75 ]
        ctl a invalidate --region users k
        [ "$status" -eq 75 ]
        [[ $output =~ c\ +unconfirmed ]]
        ctl a forget c
        [ "$status" -eq 0 ]
        ctl b forget c
        ctl a links --wait --check
        [ "$status" -eq 0 ]
        ctl a peers
        [ "$status" -eq 0 ]
        ctl a invalidate --region users k
        [ "$status" -eq 0 ]
        ctl a peer c
        [ "$status" -eq 1 ]
}

# ping blocks for as long as an answer takes, so the loop around it does not spin
degraded() {
        ctl a ping c
        ctl a peers
        [ "$status" -eq 2 ]
}

gone() {
        ctl a ping c
        ctl a peers
        [[ $output =~ c\ +gone ]]
}

@test "a stopped node does not answer a ping, and its meshctl says so" {
        three
        stop c
        ctl a ping c
        [ "$status" -eq 75 ]
        ctl c status --timeout 0.3
        [ "$status" -eq 75 ]
        ctl a wait --for=caught-up --timeout 0.3
        kill -CONT "${pids[c]}"
        ctl a wait --for=caught-up --timeout 20
        [ "$status" -eq 0 ]
}

@test "a wait that cannot come true ends with 75 and says how far it is" {
        three
        ctl a wait --for=peers=3 --timeout 0.2
        [ "$status" -eq 75 ]
        [[ $stderr == *2* ]]
}

@test "a one-way cut shows exactly that cell" {
        node a
        mkfifo "$BATS_TEST_TMPDIR/port"
        python3 "$BATS_TEST_DIRNAME/one_way.py" "$BATS_TEST_TMPDIR/target" >"$BATS_TEST_TMPDIR/port" 3>&- &
        pids[proxy]=$!
        read -r port <"$BATS_TEST_TMPDIR/port"
        node b --advertise "127.0.0.1:$port"
        until_true told_address
        ctl b wait --for=peers=1 --timeout 20
        ctl a links --wait --check --timeout 20
        [ "$status" -eq 0 ]
        kill -USR1 "${pids[proxy]}"
        until_true exactly_one_cut
        ctl a links
        [[ ${lines[1]} =~ ^a\ +\.\ +NO$ ]]
        [[ ${lines[2]} =~ ^b\ +yes\ +\.$ ]]
}

# the proxy learns where b listens as soon as b tells
told_address() {
        local listen

        listen=$(address_of b) && echo "${listen##*:}" >"$BATS_TEST_TMPDIR/target"
}

exactly_one_cut() {
        ctl a links --check -o json
        [ "$status" -eq 2 ] && json 'd["links"] == [{"from": "a", "to": "b", "state": "cut"}]'
}

@test "meshd that ends closes the connection, and a watch survives its restart" {
        node a
        "$MESHCTL" --socket "$BATS_TEST_TMPDIR/a.sock" status --watch=0.05 -o name >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
        pids[watch]=$!
        kill -TERM "${pids[a]}"
        wait "${pids[a]}"
        ctl a status
        [ "$status" -eq 69 ]
        first=
        node a
        : >"$BATS_TEST_TMPDIR/out"
        until_true shown
        grep -q 'meshctl status: ' "$BATS_TEST_TMPDIR/err"
}

shown() {
        ctl a wait --for=live --timeout 1 -q
        [ -s "$BATS_TEST_TMPDIR/out" ]
}

# hold N: keep so many connections open, until they are closed or the case ends
hold() {
        coproc HOLDER { exec python3 -c 'import socket, sys
sockets = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]
for s in sockets:
    s.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()' "$BATS_TEST_TMPDIR/a.sock" "$1" 3>&-; }
        pids[holder$1]=$HOLDER_PID
        read -r _ <&"${HOLDER[0]}"
}

@test "meshctl gets in though apps hold all connections of its user, and says why when not" {
        node a --max-clients 4
        hold 2
        ctl a stats
        [ "$status" -eq 0 ]
        ctl a invalidate --region r --wait node k
        [ "$status" -eq 0 ]
        slay holder2
        until_true released
        hold 6
        ctl a status
        [ "$status" -eq 69 ]
        [[ $stderr == *"takes no more connections: too many connections of this user: user "*"has 2, half of --max-clients"* ]]
        [[ $stderr == *"next: end some of them"* ]]
        [[ $stderr != *"(-"* ]]
}

# one connection is that of meshctl itself
released() {
        [ "$(field a status clients)" -eq 1 ]
}

@test "with standard descriptors closed nothing is printed into a socket or file" {
        node a
        run bash -c '"$0" --socket "$1" stats >&- 2>&-' "$MESHCTL" "$BATS_TEST_TMPDIR/a.sock"
        [ "$status" -eq 1 ]
        ctl a stats -o json
        json 'd["local_garbage"] == 0'
}
