#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What can go wrong between meshctl and meshd, how meshctl says it, and how it behaves on a terminal.
load fake

# on_terminal COMMAND...: run it with a terminal as output; what it writes goes to standard output
on_terminal() {
        local command
        printf -v command '%q ' "$@"
        script -qec "$command" /dev/null </dev/null
}

@test "a socket that is not there ends with 69" {
        ctl peers
        expect_status 69
        expect_no_output
        expect_error "meshctl peers: cannot reach meshd: there is no socket $socket"
        expect_error 'next: is meshd running'
}

@test "a socket that nobody listens on ends with 69" {
        python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$socket"
        ctl peers
        expect_status 69
        expect_error 'nobody listens'
}

@test "a file that is no socket ends with 69" {
        : >"$socket"
        ctl peers
        expect_status 69
}

@test "a socket that may not be used ends with 77" {
        [ "$(id -u)" -eq 0 ] || skip "only root can become somebody else"
        chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
        fake <<<'{}'
        chmod 700 "$socket"
        cp "$MESHCTL" "$BATS_TEST_TMPDIR/meshctl"
        run --separate-stderr setpriv --reuid 65534 --clear-groups "$BATS_TEST_TMPDIR/meshctl" --socket "$socket" peers
        expect_status 77
        expect_error 'may not use'
}

@test "a verb that is not allowed ends with 77" {
        answers peers '{"error": [-1, "uid 1000 may not administer"]}'
        ctl peers
        expect_status 77
        expect_error 'uid 1000 may not administer'
}

@test "an attach that is refused ends as the refusal says" {
        fake <<<'{"attach": [{"error": [-1, "uid 1000 may not attach"]}, {"error": [-1006, "speaks version 2 and later"]}, {"error": [-108, "stopping"]}]}'
        ctl peers
        expect_status 77
        ctl peers
        expect_status 1
        expect_error 'speaks version 2'
        ctl peers
        expect_status 69
}

@test "a socket path that is too long ends with 78" {
        run --separate-stderr "$MESHCTL" --socket "/$(printf 'x%.0s' {1..107})" peers
        expect_status 78
        expect_error '108 bytes long, 107 are possible'
        CACHEMESH_SOCKET=/$(printf 'x%.0s' {1..200}) run --separate-stderr "$MESHCTL" peers
        expect_status 78
}

@test "the socket comes from the environment if no flag names it" {
        answers peers '{"peers": []}'
        CACHEMESH_SOCKET=$socket run --separate-stderr "$MESHCTL" peers
        expect_status 0
        CACHEMESH_SOCKET=/nonexistent run --separate-stderr "$MESHCTL" --socket "$socket" peers
        expect_status 0
}

@test "a meshd that does not answer ends with 75" {
        answers peers '"silent"'
        ctl peers --timeout 0.2
        expect_status 75
        expect_error 'did not answer in time'
}

@test "a meshd that does not even greet ends with 75" {
        fake <<<'{"attach": "silent"}'
        ctl peers --timeout 0.2
        expect_status 75
}

@test "a stopped meshd ends with 75" {
        answers peers '{"peers": []}'
        kill -STOP "${pids[0]}"
        ctl peers --timeout 0.2
        kill -CONT "${pids[0]}"
        expect_status 75
}

@test "a connection that meshd closes ends with 69" {
        answers peers '"close"'
        ctl peers
        expect_status 69
        expect_error 'closed the connection'
}

@test "what is no message of the protocol ends with 1" {
        answers peers '["garbage", "oversize", "no-map", "wrong-type"]'
        for word in 'cannot be read' 'impossible length' 'is no map' 'wrong type'; do
                ctl peers
                expect_status 1
                expect_error "$word"
        done
}

@test "a verb that this meshd does not know ends with 1 and says so" {
        fake <<<'{"answers": {}}'
        ctl peers
        expect_status 1
        expect_error 'does not know the verb peers'
}

@test "an unknown error still has its number" {
        answers peers '{"error": [-1099, "odd"]}'
        ctl peers
        expect_status 1
        expect_error 'odd (-1099)'
}

@test "mistakes in the command line end with 64 and are told on standard error" {
        run --separate-stderr "$MESHCTL"
        expect_status 64
        expect_no_output
        run --separate-stderr "$MESHCTL" pears
        expect_status 64
        expect_error 'did you mean peers?'
        expect_error 'next: meshctl --help'
        run --separate-stderr "$MESHCTL" ping --count 0
        expect_status 64
        run --separate-stderr "$MESHCTL" monitor --rate 10001
        expect_status 64
        run --separate-stderr "$MESHCTL" monitor --count x
        expect_status 64
}

@test "help goes to standard output and ends with 0" {
        for arguments in --help help; do
                run --separate-stderr "$MESHCTL" $arguments
                expect_status 0
                expect_output 'usage: meshctl VERB'
                expect_no_error
        done
        for verb in $("$MESHCTL" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\).*/\1/p'); do
                run --separate-stderr "$MESHCTL" "$verb" --help
                expect_status 0
                expect_output "usage: meshctl $verb"
        done
        run --separate-stderr "$MESHCTL" --socket /nowhere help links
        [ "$status" -eq 0 ]
        [[ $output == "usage: meshctl links"* ]]
        run --separate-stderr "$MESHCTL" help links
        expect_output --check
        run --separate-stderr "$MESHCTL" --version
        [[ $output =~ ^meshctl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "no line of help is longer than 120 characters" {
        for verb in '' $("$MESHCTL" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\).*/\1/p'); do
                run "$MESHCTL" $verb --help
                refute grep -E '.{121}' <<<"$output"
        done
}

@test "output that cannot be written is a failure" {
        [ -e /dev/full ] || skip "no /dev/full"
        answers peers '{"peers": []}'
        run bash -c "'$MESHCTL' --socket '$socket' peers >/dev/full"
        expect_status 1
        expect_output 'cannot write to standard output'
}

@test "names from elsewhere cannot steer the terminal" {
        answers peers '{"peers": [{"name": "b\u001b[2J\u009b", "state": "live", "is_self": false}]}'
        ctl peers
        [[ ${lines[1]} == 'b?[2J?'* ]]
        ctl peers -o name
        [ "$output" = 'b?[2J?' ]
        ctl peers -o json
        refute grep -P '[^\x00-\x7f]|\x1b' <<<"$output"
        ctl peers -o jsonl
        refute grep -P '[^\x00-\x7f]|\x1b' <<<"$output"
}

@test "errors from elsewhere cannot steer the terminal" {
        answers peers '{"error": [-16, "a\u001b[2Jb"]}'
        ctl peers
        [[ $stderr != *$'\033'* ]]
}

@test "no colour in a pipe, colour if wanted" {
        answers peers "$(peers_document b:gone)"
        ctl peers
        [[ $output != *$'\033'* ]]
        ctl peers --color=always
        expect_output $'\033[31;1mgone'
}

@test "colour on a terminal, but not with NO_COLOR, a dumb terminal or --color=never" {
        answers peers "$(peers_document b:gone)"
        run on_terminal "$MESHCTL" --socket "$socket" peers
        [[ $output == *$'\033'* ]]
        NO_COLOR=1 run on_terminal "$MESHCTL" --socket "$socket" peers
        [[ $output != *$'\033'* ]]
        TERM=dumb run on_terminal "$MESHCTL" --socket "$socket" peers
        [[ $output != *$'\033'* ]]
        run on_terminal "$MESHCTL" --socket "$socket" peers --color=never
        [[ $output != *$'\033'* ]]
}

@test "a wait of over a second shows progress on a terminal only" {
        answers wait '"silent"'
        run on_terminal "$MESHCTL" --socket "$socket" wait --for=live --timeout 0.4
        expect_output 'waiting for live, 1 s'
        ctl wait --for=live --timeout 0.4
        [[ $stderr != *'1 s'* ]]
        run on_terminal "$MESHCTL" --socket "$socket" wait --for=live --timeout 0.4 -q
        [[ $output != *'1 s'* ]]
}

@test "a watched table is shown again and again, also when meshd goes and returns" {
        answers peers "[$(peers_document 'a*:live'), \"close\", $(peers_document 'a*:joining')]"
        mkfifo "$BATS_TEST_TMPDIR/out"
        "$MESHCTL" --socket "$socket" peers --watch=0.05 >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
        pids+=($!)
        run timeout 20 grep -m1 joining "$BATS_TEST_TMPDIR/out"
        expect_status 0
        grep -q 'closed the connection' "$BATS_TEST_TMPDIR/err"
}

@test "watched stats show rates" {
        answers stats '[{"published": 5, "uptime_ms": 1}, {"published": 1005, "uptime_ms": 2}]'
        mkfifo "$BATS_TEST_TMPDIR/out"
        "$MESHCTL" --socket "$socket" stats --watch=0.05 >"$BATS_TEST_TMPDIR/out" 3>&- &
        pids+=($!)
        run timeout 20 grep -m1 -E 'published +1005 +[0-9]+/s' "$BATS_TEST_TMPDIR/out"
        expect_status 0
}

# flags_in TEXT: the long flags in it, sorted
flags_in() {
        grep -oE -- '--[a-z-]+' <<<"$1" | sort -u
}

@test "the manual page has the verbs and flags that help has" {
        manual=$BATS_TEST_DIRNAME/../../docs/man/meshctl.1.scd
        verbs=$(sed -n '/^# VERBS/,/^# FLAGS/s/^\*\([a-z]*\)\*.*/\1/p' "$manual")
        [ "$verbs" = "$("$MESHCTL" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\).*/\1/p')" ]
        for verb in $verbs; do
                [ "$(flags_in "$("$MESHCTL" "$verb" --help | head -1)")" = "$(flags_in "$(grep "^\*$verb\*" "$manual")")" ]
        done
        globals=$(sed -n '/^# FLAGS/,/^# EXIT/s/^\(\*-.*\)/\1/p' "$manual")
        [ "$(flags_in "$globals")" = "$(flags_in "$("$MESHCTL" peers --help | sed -n '/^flags of all/,$s/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p')")" ]
}
