#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names on the command line that nothing can have, and files that should not be as they are.
load fake

@test "key install warns of a file that others can read" {
        answers key_install '{"schema": "cachemesh.keys/1", "keys": []}'
        ctl key new "$BATS_TEST_TMPDIR/k"
        ctl key install "$BATS_TEST_TMPDIR/k"
        expect_status 0
        expect_no_error
        chmod 640 "$BATS_TEST_TMPDIR/k"
        ctl key install "$BATS_TEST_TMPDIR/k"
        expect_status 0
        expect_error 'has mode 0640: who could read it has the key'
        ctl -q key install "$BATS_TEST_TMPDIR/k"
        expect_no_error
}

@test "what no node, region or key can be called is refused before meshd is asked" {
        fake <<<'{}'
        local long
        long=$(printf 'x%.0s' {1..100000})
        for arguments in 'peer' 'forget' 'ping b' 'ping --count 3' 'monitor --region' 'invalidate k --region' \
                'why k --region' 'trace k --region' 'key use' 'key remove'; do
                for name in "" "$long" $'a\tb' $'\xff\xfe\xff\xfe'; do
                        # shellcheck disable=SC2086 # words
                        ctl $arguments "$name"
                        expect_status 64
                        expect_no_output
                done
        done
        for name in "${long::64}" $'n\303\266d'; do
                ctl peer "$name"
                expect_status 1
        done
        ctl peer "${long::65}"
        expect_status 64
        expect_error 'the name or id has 65 bytes, 1 to 64 are possible'
        ctl key use 00112233aabbccddee
        expect_status 64
        expect_error 'want 4 to 16 hex digits'
        ctl invalidate --region users a "$long" b
        expect_status 64
        expect_error 'key number 2 has 100000 bytes, 1 to 1024 are possible; 0 before it were published'
        [ "$(grep -cE 'QUERY|PUBLISH|SUBSCRIBE' "$socket.log")" -eq 2 ]
}
