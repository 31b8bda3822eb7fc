#!/usr/bin/env bash
# p11-kit loads the module from where "meson install" puts it, with the keyward.module file that is installed beside it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need p11-kit meson
# p11-kit keeps its modules loaded until the C library is torn down, which a sanitizer does not bear.
[ -z "$SANITIZER" ] || skip_all "p11-kit is not run with a sanitizer in it"
# p11-kit reads no configuration of a user who is root.
AS=()
[ "$(id -u)" != 0 ] || AS=(setpriv --reuid=65534 --regid=65534 --clear-groups)
make_home
DESTDIR="$WORK/root" meson install -C "$BUILD" --no-rebuild >"$WORK/install.out" 2>&1
installed() { # file: where it lies under the root
    find "$WORK/root" -name "$1" -type f
}
check "the module and its file are installed" test -n "$(installed keyward-pkcs11.so)" -a -n "$(installed keyward.module)"
check "p11-kit's folder of modules is where the file names it" grep -qx 'module: keyward-pkcs11.so' "$(installed keyward.module)"
# Its worker is looked for under the prefix, which DESTDIR is not, or as in the build folder.
mkdir "$(dirname "$(installed keyward-pkcs11.so)")/../hsm" && cp "$(installed keyward-hsm)" "$(dirname "$(installed keyward-pkcs11.so)")/../hsm/"
# Under DESTDIR p11-kit would look in the system's folder: the path is made absolute, everything else is as installed.
mkdir -p "$WORK/config/pkcs11/modules"
sed "s|^module: |&$(dirname "$(installed keyward-pkcs11.so)")/|" "$(installed keyward.module)" >"$WORK/config/pkcs11/modules/keyward.module"
[ ${#AS[@]} = 0 ] || chown -R 65534:65534 "$WORK"
kit() {
    HOME="$WORK" XDG_CONFIG_HOME="$WORK/config" foreign "${AS[@]}" p11-kit "$@" >"$WORK/kit" 2>&1
    cat "$WORK/kit"
}
lists() { # pattern arguments...
    local pattern=$1
    shift
    kit "$@" && grep -qE "$pattern" "$WORK/kit"
}
lacks() { # pattern arguments...
    local pattern=$1
    shift
    kit "$@" && ! grep -qE "$pattern" "$WORK/kit"
}
check "p11-kit list-modules loads it" lists 'library-manufacturer: keyward' list-modules
check "and shows the vault as a token" lists 'token: web' list-modules
mv "$WORK/home" "$WORK/elsewhere"
check "without a home it is loaded, and has no token" lacks 'token: web' list-modules
mv "$WORK/elsewhere" "$WORK/home"
finish
