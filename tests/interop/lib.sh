# shellcheck shell=bash
# What the interop tests share: TAP, a vault home of their own, and the programs they need.
#
# A test script sources this with BUILD (the build folder) set, then: need PROGRAM..., make_home, check "sentence" command...
# and finish. Everything it makes lies in $WORK and goes away with it.

set -u

: "${BUILD:?BUILD must name the build folder}"
export MODULE="$BUILD/pkcs11/keyward-pkcs11.so"
export KEYWARD="$BUILD/tools/keyward"
tests=0
WORK=$(mktemp -d "${TMPDIR:-/tmp}/keyward-interop.XXXXXX")
export WORK
export KEYWARD_HOME="$WORK/home"
unset KEYWARD_SERVER
pids=()

at_exit() {
    # A function in the background is a shell of its own, whose child is the program.
    for pid in "${pids[@]}"; do
        # shellcheck disable=SC2046 # process ids are words
        kill $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) "$pid" 2>/dev/null
    done
    rm -rf "$WORK"
}
trap at_exit EXIT

# A module built with a sanitizer can only be loaded into a program that has the sanitizer's library in it already.
# Leaks are looked for in the module tests: here they would be the programs' own, and the engine's.
SANITIZER=$(ldd "$MODULE" 2>/dev/null | awk '/libasan/ {print $3}')
[ -z "$SANITIZER" ] || export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
foreign() {
    if [ -n "$SANITIZER" ]; then
        LD_PRELOAD="$SANITIZER" "$@"
    else
        "$@"
    fi
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

need() {
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 || skip_all "$program is not installed"
    done
}

# check "sentence" command...: one test. What the command prints is shown only when it fails.
check() {
    local sentence=$1
    shift
    tests=$((tests + 1))
    if "$@" >"$WORK/out" 2>&1; then
        echo "ok $tests - $sentence"
    else
        echo "not ok $tests - $sentence"
        sed 's/^/# /' "$WORK/out"
    fi
}

# refuses "sentence" PATTERN command...: it must fail, and say the pattern.
refuses() {
    local sentence=$1 pattern=$2
    shift 2
    tests=$((tests + 1))
    if "$@" >"$WORK/out" 2>&1; then
        echo "not ok $tests - $sentence"
        echo "# it succeeded:"
        sed 's/^/# /' "$WORK/out"
    elif grep -qE "$pattern" "$WORK/out"; then
        echo "ok $tests - $sentence"
    else
        echo "not ok $tests - $sentence"
        echo "# it failed, but without: $pattern"
        sed 's/^/# /' "$WORK/out"
    fi
}

finish() {
    echo "1..$tests"
}

# A home with the vault "web", its user alice and its security officer.
PIN=alice-pin-1
SO_PIN=so-pin-123
make_home() {
    printf '%s\n' "$PIN" >"$WORK/pin"
    printf '%s\n' "$SO_PIN" >"$WORK/so-pin"
    chmod 600 "$WORK/pin" "$WORK/so-pin"
    if ! { "$KEYWARD" init && "$KEYWARD" vault create web --user alice --pin-file "$WORK/pin" \
        --so-pin-file "$WORK/so-pin"; } >"$WORK/init" 2>&1; then
        sed 's/^/# /' "$WORK/init"
        echo "Bail out! keyward init or vault create failed"
        exit 1
    fi
}

p11() {
    foreign pkcs11-tool --module "$MODULE" --token-label web "$@"
}

p11_login() {
    p11 --login --pin "$PIN" "$@"
}

# The openssl command with the libp11 engine leading to keyward.
engine_conf() {
    local engine
    engine=$(openssl version -e | sed 's/.*"\(.*\)"/\1/')/pkcs11.so
    [ -e "$engine" ] || skip_all "libengine-pkcs11-openssl is not installed"
    cat >"$WORK/openssl.cnf" <<CONF
openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
dynamic_path = $engine
MODULE_PATH = $MODULE
init = 0
[req]
distinguished_name = dn
prompt = no
[dn]
CN = keyward.test
CONF
}

# The pkcs11-provider (Debian 13) leading to keyward. Prints its file, or nothing where it is not installed.
provider_file() {
    local file
    file=$(openssl version -m 2>/dev/null | sed 's/.*"\(.*\)"/\1/')/pkcs11.so
    [ ! -e "$file" ] || echo "$file"
}
provider_conf() {
    local file
    file=$(provider_file)
    [ -n "$file" ] || skip_all "pkcs11-provider is not installed"
    cat >"$WORK/openssl.cnf" <<CONF
openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[providers]
default = default_provider
pkcs11 = pkcs11
[default_provider]
activate = 1
[pkcs11]
module = $file
pkcs11-module-path = $MODULE
pkcs11-module-token-pin = file:$WORK/provider-pin
activate = 1
[algorithms]
[req]
distinguished_name = dn
prompt = no
[dn]
CN = keyward.test
CONF
    printf '%s' "$PIN" >"$WORK/provider-pin"
}

# wait_for SECONDS command...: until it succeeds.
wait_for() {
    local tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}
