"""What our code does not say: a grep with counted exceptions. Usage: test_idioms.py SOURCE_ROOT"""

import re
import sys

import tree
from tap import Tap

# Rooms that are loaded into other people's programs. The HSM's worker is a program of its own.
GUESTS = r"(?!hsm/worker)(base|policy|audit|hsm|vault|pkcs11)/.*\.[ch]"
ALL_C = r".*\.[ch]"
ALL_CODE = r".*(\.[ch]|\.py|\.sh|\.map|meson\.build|meson_options\.txt)"


def call(*names):
    return re.compile(r"\b(" + "|".join(names) + r")[ \t\n]*\(")


# What, where it is looked for, whether in comments too, the pattern, and why not.
RULES = [
    ("print", GUESTS, False, call("printf", "fprintf", "vprintf", "vfprintf", "puts", "putchar", "perror"), "a guest does not print"),
    ("end", GUESTS, False, call("abort", "exit", "atexit", "quick_exit", "assert"), "a guest does not end its host"),
    ("shell", GUESTS, False, call("system", "popen"), "a shell is no way to run anything"),
    (
        "foreign memory",
        GUESTS,
        False,
        re.compile(
            r"\b(strdup|strndup|asprintf|vasprintf|getline|getdelim|reallocarray|json_dumps|open_memstream|scandir|canonicalize_file_name|"
            r"get_current_dir_name|realpath(?=\([^()]*,\s*NULL\))|getcwd(?=\(NULL))[ \t\n]*\("
        ),
        "what a library allocated is not always ours to free (base/heap.h)",
    ),
    ("unbounded", ALL_C, False, call("strcpy", "strcat", "sprintf", "vsprintf", "gets"), "writes without a bound"),
    ("unfinished", ALL_CODE, True, re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|X" + r"XX)\b"), "finish it or leave it out"),
]

# (path, rule, how many, why it is right there). A number that no longer fits fails as well.
EXCEPTIONS = []


def hits(root, path, in_comments, pattern):
    text = tree.read(root, path)
    if not in_comments:
        text = tree.code_only(text)
    return [(text.count("\n", 0, m.start()) + 1, m[1]) for m in pattern.finditer(text)]


def broken(root, rule, exceptions):
    name, where, in_comments, pattern, why = rule
    allowed = {path: count for path, rule_name, count, _ in exceptions if rule_name == name}
    found = []
    for path in tree.files(root, ".c", ".h", ".py", ".sh", ".map", "meson.build", "meson_options.txt"):
        if not re.fullmatch(where, path):
            continue
        there = hits(root, path, in_comments, pattern)
        if len(there) == allowed.pop(path, 0):
            continue
        found += [f"{path}:{line}: {word}: {why}" for line, word in there]
        found += [f"{path}: has an exception that it does not need"] if not there else []
    return found + [f"{path}: has an exception and is not there" for path in allowed]


def controls(tap):
    rules = {rule[0]: rule for rule in RULES}
    faults = [
        ("a printing guest", "print", {"vault/a.c": 'void f(void) { printf\n("x"); }\n'}, "vault/a.c:1: printf"),
        ("an ending guest", "end", {"base/a.c": "\nvoid f(void) { exit(1); }\n"}, "base/a.c:2: exit"),
        ("a shell", "shell", {"hsm/a.c": 'int x = system("ls");\n'}, "system"),
        ("the C library's memory", "foreign memory", {"vault/a.c": "char *s = strdup(t);\n"}, "strdup"),
        ("memory of realpath()", "foreign memory", {"vault/a.c": "char *s = realpath(t, NULL);\n"}, "realpath"),
        ("memory of getcwd()", "foreign memory", {"vault/a.c": "char *s = getcwd(NULL, 0);\n"}, "getcwd"),
        ("an unbounded copy in a test", "unbounded", {"tests/a.c": "strcpy(a, b);\n"}, "strcpy"),
        ("an unfinished comment", "unfinished", {"tools/a.c": "/* TO" + "DO: later */\n"}, "TO" + "DO"),
    ]
    for what, rule, contents, word in faults:
        with tree.small_tree(contents) as root:
            tap.finds(f"{what} is found", broken(root, rules[rule], []), word)
    good = {
        "base/a.c": '/* printf("x") */ char s[] = "exit(1)"; int n = snprintf(s, 1, "x"); f.exit_code(1);\n',
        "base/b.c": "char *s = realpath(t, buffer); s = getcwd(buffer, sizeof(buffer));\n",
        "hsm/worker.c": "int main(void) { exit(1); }\n",
        "tools/a.c": 'int main(void) { printf("x"); exit(1); }\n',
    }
    with tree.small_tree(good) as root:
        tap.case("their neighbours pass", sum((broken(root, rule, []) for rule in RULES), []))
    with tree.small_tree({"base/a.c": "abort();\nabort();\n"}) as root:
        end = rules["end"]
        tap.case("a counted exception passes", broken(root, end, [("base/a.c", "end", 2, "control")]))
        few = broken(root, end, [("base/a.c", "end", 1, "control")])
        tap.case("one more than counted is found", [] if len(few) == 2 else few or ["nothing found"])
        tap.finds(
            "an exception that is not needed is found",
            broken(root, rules["shell"], [("base/a.c", "shell", 1, "control")]),
            "does not need",
        )
        tap.finds(
            "an exception for no file is found",
            broken(root, rules["shell"], [("base/b.c", "shell", 1, "control")]),
            "is not there",
        )


def main():
    root = sys.argv[1]
    tap = Tap()
    controls(tap)
    for rule in RULES:
        tap.case(f"no file breaks '{rule[0]}': {rule[4]}", broken(root, rule, EXCEPTIONS))
    tap.end()


main()
