#!/usr/bin/env bash
# Fuzzes with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, in build-fuzz/. What it finds interesting is kept
# in build-fuzz/corpus-<target> and is where the next run begins. Needs clang.
#
#   tests/fuzz.sh policy|calls [seconds, 60] [libFuzzer options]
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
target=${1:-}
seconds=${2:-60}
case $target in
policy | calls) ;;
*)
    echo "usage: tests/fuzz.sh policy|calls [seconds] [libFuzzer options]" >&2
    exit 2
    ;;
esac
shift $(($# < 2 ? $# : 2))
[ -e build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined
ninja -C build-fuzz
mkdir -p "build-fuzz/corpus-$target"
# Check must not fork, or nobody would see what libFuzzer learns. The module is loaded once and stays: what it keeps for its lifetime is no leak of an input.
CK_FORK=no CK_DEFAULT_TIMEOUT=0 ASAN_OPTIONS=detect_leaks=0 exec "build-fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=2048 -artifact_prefix=build-fuzz/ \
    "$@" "build-fuzz/corpus-$target"
