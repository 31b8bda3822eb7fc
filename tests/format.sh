#!/bin/sh
# Checks that every C file is formatted as .clang-format says; with --fix, formats them.
# Usage: tests/format.sh [--fix]      Exit: 0 formatted, 1 not, 2 usage or clang-format missing.
set -eu

mode=--dry-run
case "${1-}" in
'') ;;
--fix) mode=-i ;;
*)
    echo "usage: tests/format.sh [--fix]" >&2
    exit 2
    ;;
esac
if ! command -v clang-format >/dev/null; then
    echo "clang-format is not installed: apt-get install clang-format" >&2
    exit 2
fi

cd "$(dirname "$0")/.."
find . -name '.?*' -prune -o \( -name build -o -name 'build-*' \) -prune -o -name '*.[ch]' -print0 |
    xargs -0 -r clang-format --Werror "$mode" || exit 1
