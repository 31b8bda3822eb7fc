"""Walking the source tree, reading C without its comments, and making small trees for positive controls."""

import contextlib
import os
import re
import tempfile

# Rooms and their levels; a room may include from its own folder and from lower levels (DESIGN, section 1).
LEVELS = {
    "base": 1,
    "policy": 2,
    "audit": 2,
    "hsm": 2,
    "vault": 3,
    "pkcs11": 4,
    "wire": 5,
    "tools": 6,
}

_COMMENT_OR_TEXT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL
)


def files(root, *suffixes):
    """Paths relative to root, sorted, of all files with one of the suffixes; builds and hidden folders are left out."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [
            f for f in folders if not f.startswith(".") and not re.fullmatch(r"build(-.*)?|__pycache__", f)
        ]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if name.endswith(suffixes) and os.path.isfile(os.path.join(root, path)):
                found.append(path)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def room_of(path):
    return path.split("/", 1)[0] if "/" in path else ""


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """The same lines with comments blanked; literals stay."""
    return _COMMENT_OR_TEXT.sub(lambda m: m[0] if m[0][0] in "\"'" else _blank(m[0]), text)


def code_only(text):
    """The same lines with comments and the insides of literals blanked."""
    return _COMMENT_OR_TEXT.sub(lambda m: _blank(m[0]), text)


@contextlib.contextmanager
def small_tree(contents):
    """A temporary tree of {path: text}."""
    with tempfile.TemporaryDirectory(prefix="keyward-tree-") as root:
        for path, text in contents.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        yield root
