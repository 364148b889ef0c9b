# SPDX-License-Identifier: MIT
# The temporary directory of one tests/run, and the jobs that it starts: both end when it does. It decides nothing else.
# shellcheck shell=bash

scratch_base=${TMPDIR:-/tmp}
# Sockets are made below: their paths must stay short.
[ "${#scratch_base}" -le 30 ] || scratch_base=/tmp
scratch_old_min=10
scratch_patience_s=20

# scratch_begin: make it, and set TMPDIR; remove those of runs that were killed
scratch_begin() {
        scratch_sweep
        scratch=$(mktemp -d "$scratch_base/cm-run.XXXXXX")
        # Held by all that this run starts: as long as one of them lives, others leave the directory alone.
        exec 8<"$scratch"
        flock -s 8
        scratch_jobs=()
        trap scratch_end EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        # As open as /tmp is: some programs are started as another user.
        mkdir "$scratch/tmp"
        chmod 755 "$scratch"
        chmod 1777 "$scratch/tmp"
        export TMPDIR=$scratch/tmp
}

scratch_sweep() {
        local old
        while read -r -d '' old; do
                flock -n -x "$old" rm -rf "$old" || true
        done < <(find "$scratch_base" -maxdepth 1 -name 'cm-run.*' -type d -user "$(id -u)" -mmin "+$scratch_old_min" -print0)
}

# scratch_start COMMAND...: in the background, as a group of processes
scratch_start() {
        set -m
        "$@" &
        set +m
        scratch_jobs+=("$!")
}

scratch_end() {
        local status=$? job deadline=$((SECONDS + scratch_patience_s))
        trap '' HUP INT TERM
        for job in "${scratch_jobs[@]}"; do
                kill -TERM -- "-$job" 2>/dev/null || true
        done
        for job in "${scratch_jobs[@]}"; do
                while kill -0 -- "-$job" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do
                        sleep 0.1
                done
        done
        rm -rf "$scratch"
        exit "$status"
}
