# shellcheck shell=bash
# Sourced by quickstart and check: installs what tools/packages lists for a use, where it is missing.

# install_packages USE: the packages of "all" and of USE. Asks apt only when something is missing.
install_packages() {
    local use=$1 list missing=() package sudo=()
    list=$(dirname "${BASH_SOURCE[0]}")/packages
    while read -r for package; do
        case "$for" in
        all | "$use")
            # npm comes with nodejs where that is not Debian's own.
            if [ "$package" = npm ] && command -v npm >/dev/null 2>&1; then
                continue
            fi
            dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
                missing+=("$package")
            ;;
        esac
    done < <(grep -v '^#' "$list")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "missing packages: ${missing[*]}: install them as root, or install sudo" >&2
            return 1
        }
        sudo=(sudo)
    fi
    echo "installing: ${missing[*]}"
    "${sudo[@]}" apt-get update -qq >/dev/null || true
    # nginx is wanted as a program of the tests, not as a service of the machine.
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
        echo "apt-get could not install: ${missing[*]}" >&2
        return 1
    }
}
