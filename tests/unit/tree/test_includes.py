"""Arrows only go down: who includes whom, and where outside libraries enter. Usage: test_includes.py SOURCE_ROOT"""

import re
import sys

import tree
from tap import Tap

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)', re.MULTILINE)

# Where an outside library may be included; the first pattern that fits decides.
LIBRARIES = [
    (r"p11-kit/pkcs11\.h", r"base/pkcs11_2\.h", "PKCS#11 comes through base/pkcs11.h, which corrects it"),
    (r"p11-kit/.*", r"hsm/.*", "modules are loaded by hsm/ only"),
    (r"openssl/.*", r"(hsm|audit|wire)/.*", "OpenSSL is used in hsm/, audit/ and wire/ only"),
    (r"sqlite3\.h", r"vault/.*", "the store is SQLite's only user"),
    (r"libtasn1\.h", r"vault/.*", "records at rest are vault/'s business"),
    (r"jansson\.h", r"(pkcs11|tools)/.*", "JSON is read in pkcs11/ and tools/ only"),
    (r"ini\.h", r"base/config\.c", "settings files are read by base/config.c"),
    (r"jose/.*", r"pkcs11/token\.c", "tokens are checked in pkcs11/token.c only"),
]

# C17, POSIX and Linux: what comes with the C library and the kernel.
SYSTEM = re.compile(
    r"(sys|linux|arpa|netinet|net|asm)/[\w/]+\.h"
    r"|(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic"
    r"|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar|wchar|wctype)\.h"
    r"|(dirent|dlfcn|endian|err|fcntl|fnmatch|ftw|getopt|glob|grp|ifaddrs|langinfo|libgen|link|malloc|netdb|poll|pthread|pwd"
    r"|regex|sched|semaphore|spawn|strings|syslog|termios|ucontext|unistd|utime|elf)\.h"
)

# Rooms that must not be able to hold a PIN or a key, not even through another header.
WITHOUT_SECRETS = ("policy", "audit")


def includes_of(root, path):
    """(line, '<' or '"', name) of every include."""
    text = tree.without_comments(tree.read(root, path))
    return [(text.count("\n", 0, m.start(2)) + 1, m[1], m[2]) for m in INCLUDE.finditer(text)]


def room_files(root):
    return [p for p in tree.files(root, ".c", ".h") if tree.room_of(p) in tree.LEVELS]


def strangers(root):
    known = set(tree.LEVELS) | {"tests", "docs"}
    return [
        f"{path}: '{tree.room_of(path)}' is no room: give it a level in tree.py"
        for path in tree.files(root, ".c", ".h")
        if tree.room_of(path) not in known
    ]


def upward(root):
    found = []
    for path in room_files(root):
        room = tree.room_of(path)
        for line, kind, name in includes_of(root, path):
            other = tree.room_of(name)
            if kind == "<":
                continue
            if other not in tree.LEVELS:
                found.append(f'{path}:{line}: "{name}" names no room: write the folder in the path')
            elif other != room and tree.LEVELS[other] >= tree.LEVELS[room]:
                found.append(
                    f'{path}:{line}: "{name}" is of level {tree.LEVELS[other]}, '
                    f"{room}/ is of level {tree.LEVELS[room]}"
                )
    return found


def out_of_place(root):
    found = []
    for path in room_files(root):
        for line, kind, name in includes_of(root, path):
            if kind == '"' or SYSTEM.fullmatch(name):
                continue
            rule = next((r for r in LIBRARIES if re.fullmatch(r[0], name)), None)
            if rule is None:
                found.append(f"{path}:{line}: <{name}> is of no library we know: see test_includes.py")
            elif not re.fullmatch(rule[1], path):
                found.append(f"{path}:{line}: <{name}>: {rule[2]}")
    return found


def reached(root, path, seen):
    """Every file of ours that path includes, itself or through others."""
    for _, kind, name in includes_of(root, path):
        if kind == '"' and name not in seen:
            seen.add(name)
            try:
                reached(root, name, seen)
            except FileNotFoundError:
                pass  # generated, or the compiler's to complain about
    return seen


def secrets_in_reach(root):
    return [
        f"{path}: reaches base/secret.h"
        for path in room_files(root)
        if tree.room_of(path) in WITHOUT_SECRETS and "base/secret.h" in reached(root, path, set())
    ]


def controls(tap):
    """Each rule is shown to find its fault in a tree that has no other, and to pass the neighbour without it."""
    base = {"base/b.h": "", "base/secret.h": ""}
    faults = [
        ("an include of a higher room", upward, {"base/a.c": '#include "vault/v.h"\n'}, "level 3"),
        ("an include of a room beside", upward, {"audit/a.c": '# include "hsm/h.h"\n'}, "level 2"),
        ("an include without its folder", upward, {"hsm/a.c": '#include "b.h"\n'}, "names no room"),
        ("an include of the tests", upward, {"hsm/a.c": '#include "tests/x.h"\n'}, "names no room"),
        ("a folder that is no room", strangers, {"util/a.c": ""}, "util"),
        ("a library out of its room", out_of_place, {"pkcs11/a.c": "#include <sqlite3.h>\n"}, "SQLite"),
        ("p11-kit's own header", out_of_place, {"hsm/a.h": "#include <p11-kit/pkcs11.h>\n"}, "base/"),
        ("an unknown library", out_of_place, {"hsm/a.c": "#include <curl/curl.h>\n"}, "no library"),
        ("secrets in policy", secrets_in_reach, {"policy/a.c": '#include "base/secret.h"\n'}, "policy"),
        (
            "secrets behind another header",
            secrets_in_reach,
            {"audit/a.c": '#include "base/x.h"\n', "base/x.h": '#include "base/secret.h"\n'},
            "audit",
        ),
    ]
    for what, rule, contents, word in faults:
        with tree.small_tree({**base, **contents}) as root:
            tap.finds(f"{what} is found", rule(root), word)
    good = {
        "hsm/a.c": '#include "hsm/h.h"\n#include "base/secret.h"\n#include <openssl/evp.h>\n#include <poll.h>\n',
        "vault/a.c": '#include "hsm/h.h"\n/* #include "tools/t.h" */\n#include <sqlite3.h>\n',
        "audit/a.c": '#include "base/b.h"\n',
        "tests/t.c": '#include "a.h"\n#include <check.h>\n',
    }
    with tree.small_tree({**base, **good}) as root:
        findings = strangers(root) + upward(root) + out_of_place(root) + secrets_in_reach(root)
        tap.case("a tree without these faults passes", findings)


def main():
    root = sys.argv[1]
    tap = Tap()
    controls(tap)
    tap.case("rooms were found to look at", [] if room_files(root) else ["no room under " + root])
    tap.case("every folder with code is a room", strangers(root))
    tap.case("includes go down or stay in their room", upward(root))
    tap.case("outside libraries enter where they may", out_of_place(root))
    tap.case("policy and audit cannot hold secrets", secrets_in_reach(root))
    tap.end()


main()
