# SPDX-License-Identifier: MIT
# Packages and build directories, for demo-app/run and tests/run, which source it from the root of the tree.
# It decides what is installed and configured; what is run afterwards is left to them.
# shellcheck shell=bash

packages_file=packaging/debian-packages
packages_wait_s=600

# packages_missing PURPOSE...: print the listed packages of these purposes that are not installed
packages_missing() {
        local name purpose
        while read -r name purpose; do
                case "$name" in '' | '#'*) continue ;; esac
                case " $* " in *" $purpose "*) ;; *) continue ;; esac
                if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
                        echo "$name"
                fi
        done <"$packages_file"
}

packages_listed() {
        local name purpose
        while read -r name purpose; do
                case "$name" in '' | '#'*) continue ;; esac
                case " $* " in *" $purpose "*) echo "$name" ;; esac
        done <"$packages_file"
}

# apt_get ARGUMENT...: as root, and patient: DPkg::Lock::Timeout covers dpkg's own locks, the loop the lock
# on the package lists, which apt only tries once.
apt_get() {
        local deadline=$((SECONDS + packages_wait_s)) log status
        log=$(mktemp)
        while :; do
                status=0
                "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
                        apt-get -q -o "DPkg::Lock::Timeout=$packages_wait_s" "$@" 2>&1 </dev/null | tee "$log" || status=$?
                if [ "$status" -eq 0 ] || [ "$SECONDS" -ge "$deadline" ] || ! grep -q 'Could not get lock' "$log"; then
                        break
                fi
                echo "waiting for apt's lock" >&2
                sleep 2
        done
        rm -f "$log"
        return "$status"
}

# packages_ensure PURPOSE...: install what is missing; exits 69 where that is not possible
packages_ensure() {
        local missing
        if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
                {
                        echo "This machine has no apt. cachemesh needs these Debian 12 packages or their equivalents:"
                        packages_listed "$@" | sed 's/^/  /'
                        echo "With them, build and test by hand: meson setup build && meson test -C build"
                } >&2
                exit 69
        fi
        mapfile -t missing < <(packages_missing "$@")
        if [ "${#missing[@]}" -eq 0 ]; then
                return 0
        fi
        as_root=()
        if [ "$(id -u)" -ne 0 ]; then
                if ! command -v sudo >/dev/null; then
                        echo "Missing packages, and no sudo to install them: ${missing[*]}" >&2
                        exit 69
                fi
                as_root=(sudo)
        fi
        echo "Installing Debian packages: ${missing[*]}"
        # Lists that are missing or too old make the first try fail; with fresh ones there is nothing left to try.
        if ! apt-cache show "${missing[@]}" >/dev/null 2>&1 ||
                ! apt_get install -y --no-install-recommends "${missing[@]}"; then
                if ! apt_get update || ! apt_get install -y --no-install-recommends "${missing[@]}"; then
                        echo "These packages could not be installed: ${missing[*]}" >&2
                        exit 69
                fi
        fi
}

# build_has_option DIR -DNAME=VALUE: whether this value was already given to the directory
build_has_option() {
        local assignment=${2#-D}
        grep -qxF -- "${assignment%%=*} = ${assignment#*=}" "$1/meson-private/cmd_line.txt" 2>/dev/null
}

# build_configure DIR OPTION...: set the directory up, or change the options that differ
build_configure() {
        local dir=$1 option changed=()
        shift
        if [ ! -f "$dir/build.ninja" ]; then
                meson setup "$dir" "$@" || return 1
                # A setup that was killed half-way looks configured to Meson, which then does nothing.
                [ -f "$dir/build.ninja" ] || meson setup --wipe "$dir" "$@"
                return
        fi
        for option; do
                build_has_option "$dir" "$option" || changed+=("$option")
        done
        if [ "${#changed[@]}" -gt 0 ]; then
                meson configure "$dir" "${changed[@]}"
        fi
}

# build_targets DIR: what ninja shall build: all, or with build_what=programs only what ships, without tests and examples, or
# with build_what=suite:NAME what the tests of one suite use
build_what=all
build_targets() {
        [ "$build_what" != all ] || return 0
        python3 - "$1" "$build_what" <<'END'
import json, os, sys
build, what = os.path.realpath(sys.argv[1]), sys.argv[2]
others = tuple(os.path.join(os.path.dirname(build), folder, '') for folder in ('tests', 'docs'))

def introspect(name):
    return json.load(open(os.path.join(build, 'meson-info', f'intro-{name}.json')))

def is_shipped(target):
    is_program = target['type'] in ('executable', 'shared library', 'shared module') and target['build_by_default']
    return is_program and not os.path.realpath(target['defined_in']).startswith(others)

def ids_used_in(suite):
    return {target for test in introspect('tests') if f'cachemesh:{suite}' in test['suite'] for target in test['depends']}

targets = introspect('targets')
used = {target['id'] for target in targets if is_shipped(target)} if what == 'programs' else ids_used_in(what.split(':')[1])
for target in targets:
    if target['id'] in used:
        print(os.path.relpath(os.path.realpath(target['filename'][0]), build))
END
}

# build_ninja DIR ARGUMENT...
build_ninja() {
        local dir=$1 targets
        shift
        mapfile -t targets < <(build_targets "$dir")
        ninja -C "$dir" "$@" "${targets[@]}" 9<&-
}

# build_make DIR OPTION...: configure and build under the directory's lock. Returns with a shared lock held on
# descriptor 9, so that no other copy relinks the programs while they run; build_release gives it back.
build_make() {
        local dir=$1 jobs
        shift
        mkdir -p "$dir"
        exec 9<"$dir"
        flock -s 9
        if build_is_current "$dir" "$@"; then
                return 0
        fi
        if ! flock -n -x 9; then
                echo "Waiting for another copy that uses $dir"
                flock -x 9
        fi
        jobs=$(nproc)
        if build_configure "$dir" "$@" 9<&- && build_ninja "$dir" -j "$jobs"; then
                flock -s 9
                return 0
        fi
        build_release
        return 1
}

build_release() {
        exec 9<&-
}

# build_is_current DIR OPTION...: nothing to configure and nothing to compile
build_is_current() {
        local dir=$1 option
        shift
        for option; do
                build_has_option "$dir" "$option" || return 1
        done
        # Meson's part first: what it would configure anew may add targets.
        ninja -C "$dir" -n build.ninja 2>/dev/null 9<&- | grep -q 'no work to do' &&
                build_ninja "$dir" -n 2>/dev/null | grep -q 'no work to do'
}
