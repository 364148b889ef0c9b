#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Mesh keys: made in files, sent to meshd, shown by their fingerprints.
load fake

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
        answers keys "$(keys_document)"
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
        ctl key use ffee --force
        expect_status 0
        expect_asked 'QUERY key_use {"force":true,"key":"ffee"}'
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
        ctl key install "$BATS_TEST_DIRNAME/keys.bats"
        expect_status 78
        expect_error 'no key file'
}
