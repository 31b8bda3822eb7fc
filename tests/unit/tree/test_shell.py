"""Every shell script is read by shellcheck. Usage: test_shell.py SOURCE_ROOT"""

import os
import re
import shutil
import subprocess
import sys

import tree
from tap import Tap

SHEBANG = re.compile(rb"#!\s*(/\S*/)?(env\s+)?(/\S*/)?(sh|bash|dash)\b")


def is_script(root, path):
    with open(os.path.join(root, path), "rb") as file:
        return path.endswith(".sh") or SHEBANG.match(file.readline(128)) is not None


def scripts(root):
    return [path for path in tree.files(root, "") if is_script(root, path)]


def complaints(root, path):
    run = subprocess.run(
        ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", "--format=gcc", path],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return (run.stdout + run.stderr).splitlines() or (["shellcheck failed"] if run.returncode else [])


def main():
    root = sys.argv[1]
    tap = Tap()
    small = {"bin/a": "#!/bin/sh\nrm -r $1\n", "bin/b": "#!/usr/bin/env python3\n", "bin/c.sh": "true\n"}
    with tree.small_tree(small) as control:
        found = scripts(control)
        tap.case("scripts are known by their first line or their name", [] if found == ["bin/a", "bin/c.sh"] else found)
        if shutil.which("shellcheck") is None:
            tap.skip("scripts are clean", "shellcheck is not installed")
            tap.end()
            return
        tap.finds("a script with a fault is found", complaints(control, "bin/a"), "SC2086")
    for path in scripts(root):
        tap.case(f"{path} is clean", complaints(root, path))
    tap.end()


main()
