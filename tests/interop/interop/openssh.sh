#!/usr/bin/env bash
# OpenSSH: keys of a vault in ssh-agent, a login with them at a real sshd, and a certificate authority whose key never leaves the vault.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
PATH="$PATH:/usr/sbin"
need ssh ssh-agent ssh-add ssh-keygen sshd openssl
# ssh-agent cleans the environment of its helper, and with it the sanitizer's library.
[ -z "$SANITIZER" ] || skip_all "OpenSSH's helper cannot be given a sanitizer"
[ "$(id -u)" = 0 ] || skip_all "sshd wants root"
make_home
for key in rsa:2048 ec:P-256; do
    "$KEYWARD" key create "web/${key%%:*}" --type "$key" >/dev/null
done
printf '#!/bin/sh\nexec cat %s\n' "$WORK/pin" >"$WORK/askpass"
chmod 700 "$WORK/askpass"
export SSH_ASKPASS="$WORK/askpass" SSH_ASKPASS_REQUIRE=force DISPLAY=:0
ssh-keygen -D "$MODULE" >"$WORK/public" 2>"$WORK/err"
grep '^ssh-rsa ' "$WORK/public" >"$WORK/rsa.pub"
grep '^ecdsa-' "$WORK/public" >"$WORK/ec.pub"

# ---- a server ----
PORT=$((20000 + RANDOM % 20000))
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$WORK/host"
cat >"$WORK/sshd_config" <<CONF
Port $PORT
ListenAddress 127.0.0.1
HostKey $WORK/host
PidFile $WORK/sshd.pid
AuthorizedKeysFile $WORK/authorized
TrustedUserCAKeys $WORK/trusted
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
CONF
: >"$WORK/authorized"
: >"$WORK/trusted"
"$(command -v sshd)" -D -f "$WORK/sshd_config" -E "$WORK/sshd.log" </dev/null &
pids+=($!)
ssh_to() {
    timeout 30 ssh -F none -p "$PORT" -o UserKnownHostsFile="$WORK/known" -o StrictHostKeyChecking=accept-new \
        -o PreferredAuthentications=publickey -o ConnectTimeout=5 "$@" "$(id -un)@127.0.0.1" echo welcome
}
only() { # public-key-file: nobody else may come in
    cat "$1" >"$WORK/authorized"
    : >"$WORK/trusted"
}
welcome() {
    ssh_to "$@" | grep -q welcome
}
wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT"

# ---- without an agent ----
only "$WORK/rsa.pub"
check "ssh logs in with the vault's RSA key" welcome -o PKCS11Provider="$MODULE" -o IdentityAgent=none
only "$WORK/ec.pub"
check "and with its EC key" welcome -o PKCS11Provider="$MODULE" -o IdentityAgent=none
ssh-keygen -q -t ecdsa -N '' -f "$WORK/other"
only "$WORK/other.pub"
refuses "a server that knows neither refuses" 'Permission denied' ssh_to -o PKCS11Provider="$MODULE" -o IdentityAgent=none

# ---- with an agent ----
# The helper runs with the agent's environment, which is where the home stands.
eval "$(ssh-agent -s -P "$MODULE,$BUILD/*" -a "$WORK/agent")" >/dev/null
pids+=("$SSH_AGENT_PID")
check "ssh-add gives the agent the module" ssh-add -s "$MODULE"
held() {
    ssh-add -L | tee "$WORK/held"
    [ "$(cut -d' ' -f1,2 "$WORK/held" | sort)" = "$(cut -d' ' -f1,2 "$WORK/public" | sort)" ]
}
check "the agent holds both keys" held
check "the agent proves that it can sign with the RSA key" ssh-add -T "$WORK/rsa.pub"
check "and with the EC key" ssh-add -T "$WORK/ec.pub"
only "$WORK/ec.pub"
check "ssh logs in by the agent" welcome -o IdentityAgent="$SSH_AUTH_SOCK"

# ---- a certificate authority ----
signed() { # ca key-type
    ssh-keygen -q -s "$WORK/$1.pub" -D "$MODULE" -I "by-$1" -n "$(id -un)" -V +1h "$WORK/other.pub" &&
        ssh-keygen -L -f "$WORK/other-cert.pub" | tee "$WORK/cert" &&
        grep -q "Signing CA: .* $(ssh-keygen -lf "$WORK/$1.pub" | cut -d' ' -f2)" "$WORK/cert" &&
        cat "$WORK/$1.pub" >"$WORK/trusted" && : >"$WORK/authorized" &&
        ssh_to -o IdentityAgent=none -o IdentitiesOnly=yes -i "$WORK/other" | grep -q welcome
}
check "the RSA key signs a user's certificate, and sshd lets that user in" signed rsa
check "so does the EC key" signed ec
by_agent() {
    ssh-keygen -q -Us "$WORK/ec.pub" -I agent -n "$(id -un)" -V +1h "$WORK/other.pub" && signed_in
}
signed_in() {
    ssh_to -o IdentityAgent=none -o IdentitiesOnly=yes -i "$WORK/other" | grep -q welcome
}
check "and by way of the agent" by_agent
: >"$WORK/trusted"
refuses "where the authority is not trusted the certificate is worth nothing" 'Permission denied' signed_in

# ---- signatures over files, checked with the public key alone ----
printf 'release 1.0' >"$WORK/file"
file_signature() {
    rm -f "$WORK/file.sig"
    ssh-keygen -q -Y sign -n file -f "$WORK/$1.pub" "$WORK/file" &&
        printf 'me %s\n' "$(cut -d' ' -f1,2 "$WORK/$1.pub")" >"$WORK/signers" &&
        ssh-keygen -Y verify -n file -f "$WORK/signers" -I me -s "$WORK/file.sig" <"$WORK/file"
}
check "ssh-keygen signs a file with the agent's RSA key" file_signature rsa
check "and with its EC key" file_signature ec
gone() {
    ssh-add -e "$MODULE" && ! ssh-add -L
}
check "the agent gives the module back" gone
signatures() {
    [ "$("$KEYWARD" log show --vault web --json | grep -c '"action": *"sign"')" -ge 10 ]
}
check "every signature is in the log" signatures
check "the log verifies" "$KEYWARD" log verify
finish
