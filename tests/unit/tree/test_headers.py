"""Every header compiles alone, and twice. Usage: test_headers.py SOURCE_ROOT COMPILER..."""

import subprocess
import sys

import tree
from tap import Tap

LIBRARIES = ["p11-kit-1", "libcrypto", "sqlite3", "libtasn1", "jansson", "jose", "inih", "check"]
FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"]


def library_flags():
    out = subprocess.run(["pkg-config", "--cflags", *LIBRARIES], capture_output=True, text=True, check=True)
    return out.stdout.split()


def complaints(root, header, compiler):
    source = f'#include "{header}"\n#include "{header}"\n'
    run = subprocess.run(
        [*compiler, "-I", root, *library_flags(), *FLAGS], input=source, capture_output=True, text=True, check=False
    )
    if run.returncode == 0:
        return []
    return run.stderr.splitlines()[:5] or ["the compiler failed without a word"]


def main():
    root, compiler = sys.argv[1], sys.argv[2:]
    tap = Tap()
    with tree.small_tree({"base/a.h": "size_t n(void);\n", "base/b.h": "struct b { int i; };\n"}) as small:
        tap.case(
            "a header that leans on its includer is found",
            [] if complaints(small, "base/a.h", compiler) else ["it compiled"],
        )
        tap.case(
            "a header without a guard is found",
            [] if complaints(small, "base/b.h", compiler) else ["it compiled"],
        )
    for header in tree.files(root, ".h"):
        tap.case(f"{header} compiles alone", complaints(root, header, compiler))
    tap.end()


main()
