#!/bin/sh
# Runs clang-tidy, set up by .clang-tidy, over the compile database of a build. The tests are left out unless asked for:
# Check's macros are not ours to change.
# Usage: tests/tidy.sh BUILD_DIR [PATTERN]      PATTERN: an extended regular expression of source paths
# Exit: 0 clean, 1 findings, 2 usage or something missing.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ] || [ ! -f "$1/compile_commands.json" ]; then
    echo "usage: tests/tidy.sh BUILD_DIR [PATTERN], BUILD_DIR as made by meson setup" >&2
    exit 2
fi
if ! command -v clang-tidy >/dev/null; then
    echo "clang-tidy is not installed: apt-get install clang-tidy" >&2
    exit 2
fi
pattern=${2-'^\.\./(base|policy|audit|hsm|vault|pkcs11|wire|tools)/.*\.c$'}

# Paths in the database are relative to the build directory. gcc knows warnings that clang does not.
cd "$1"
files=$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' compile_commands.json | sort -u | grep -E "$pattern") || {
    echo "tests/tidy.sh: no file of $1/compile_commands.json matches $pattern" >&2
    exit 2
}
printf '%s\n' "$files" |
    xargs -n 1 -P "$(nproc)" clang-tidy -p . --quiet --extra-arg=-Wno-unknown-warning-option || exit 1
