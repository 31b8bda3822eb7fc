# shellcheck shell=bash
# Sourced by quickstart and check: installs what tools/packages lists for a use, where it is missing.

is_installed() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}
is_offered() {
    apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# needed USE: the lines of tools/packages for "all" and for USE.
needed() {
    awk -v use="$1" '$1 == "all" || $1 == use {print $2}' "$(dirname "${BASH_SOURCE[0]}")/packages"
}

# is_there ENTRY: one of its packages is installed, or its program comes from elsewhere.
is_there() {
    local package names
    # npm comes with nodejs where that is not Debian's own.
    [ "$1" != npm ] || ! command -v npm >/dev/null 2>&1 || return 0
    IFS='|' read -ra names <<<"${1%\?}"
    for package in "${names[@]}"; do
        ! is_installed "$package" || return 0
    done
    return 1
}

# choice ENTRY: the first of its packages that this release has. Nothing for an "a?" that it has not.
choice() {
    local package names
    IFS='|' read -ra names <<<"${1%\?}"
    for package in "${names[@]}"; do
        if is_offered "$package"; then
            echo "$package"
            return
        fi
    done
    [ "${1%\?}" != "$1" ] || echo "${names[0]}"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# install_packages USE: the packages of "all" and of USE. Asks the network only when something is missing.
install_packages() {
    local entry entries=() missing=()
    for entry in $(needed "$1"); do
        is_there "$entry" || entries+=("$entry")
    done
    [ ${#entries[@]} -gt 0 ] || return 0
    # A machine without lists (a new container) knows of no package at all.
    is_offered gcc || as_root apt-get update -qq >/dev/null || true
    for entry in "${entries[@]}"; do
        # shellcheck disable=SC2207 # names have no spaces
        missing+=($(choice "$entry"))
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
        echo "missing packages: ${missing[*]}: install them as root, or install sudo" >&2
        return 1
    fi
    echo "installing: ${missing[*]}"
    as_root apt-get update -qq >/dev/null || true
    # Servers are wanted as programs of the tests, not as services of the machine.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
        echo "apt-get could not install: ${missing[*]}" >&2
        return 1
    }
}
