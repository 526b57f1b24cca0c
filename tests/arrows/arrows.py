"""arrows.py - reads every #include of the tree and holds it against the drawing in docs/architecture.md.

    server ──► api ──► model            model/*      ──► infer, series, nn, base
       │  └──────────► model            model/infer  ──► nn ──► base
       └────► storage ► model           model/series ──► base

Our own headers are included as "folder/file.h", rooted at the project. A dependency's header has one home.

    arrows.py ROOT [COMPILER [ARGUMENT]...]

prints one line a fault and exits 1 when there is any. With a compiler each header is compiled alone as well.
"""
import pathlib
import re
import subprocess
import sys

# From a folder to those it may include from. The longest matching folder decides.
ARROWS = {
    "model/base": ["model/base"],
    "model/nn": ["model/nn", "model/base"],
    "model/infer": ["model/infer", "model/nn", "model/base"],
    "model/series": ["model/series", "model/base"],
    "model/text": ["model/text", "model/base"],
    "model": ["model"],
    "storage": ["storage", "model"],
    "api": ["api", "model"],
    "server": ["server", "api", "storage", "model"],
}

# A dependency's header: the folder it belongs to, and whether a single file there may include it.
HOMES = {
    "microhttpd.h": ("server", True),
    "jansson.h": ("api", False),
    "sqlite3.h": ("storage", False),
    "cblas.h": ("model/nn", True),
    "onnx.pb-c.h": ("api", True),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def home(path):
    """The row of ARROWS that a file falls under."""
    return max((folder for folder in ARROWS if inside(path, folder)), key=len)


def read_tree(root):
    """{path of a file: [(is it ours, what it includes)]} of the four folders."""
    tree = {}
    for top in sorted({folder.split("/")[0] for folder in ARROWS}):
        for file in sorted((root / top).rglob("*.[ch]")):
            text = file.read_text(encoding="utf-8")
            tree[file.relative_to(root).as_posix()] = [(mark == '"', name) for mark, name in INCLUDE.findall(text)]
    return tree


def wrong_arrows(tree):
    for path, includes in tree.items():
        for ours, name in includes:
            if not ours:
                continue
            if name not in tree:
                yield f'{path}: "{name}" is not a file of the project, counted from its root'
            elif not any(inside(name, folder) for folder in ARROWS[home(path)]):
                yield f'{path}: may not include "{name}": {home(path)} knows {", ".join(ARROWS[home(path)])}'


def wrong_homes(tree):
    for header, (folder, single) in HOMES.items():
        users = [path for path, includes in tree.items() if (False, header) in includes or (True, header) in includes]
        for path in users:
            if not inside(path, folder):
                yield f"{path}: <{header}> belongs to {folder}"
        if single and len(users) > 1:
            yield f"<{header}> has one file, not {len(users)}: {', '.join(users)}"


def cycles(tree):
    """Depth first; a file met again while it is still being visited closes a cycle."""
    visiting, visited = [], set()

    def visit(path):
        if path in visiting:
            yield "a cycle: " + " -> ".join(visiting[visiting.index(path):] + [path])
            return
        if path in visited:
            return
        visiting.append(path)
        for ours, name in tree[path]:
            if ours and name in tree:
                yield from visit(name)
        visited.add(visiting.pop())

    for path in tree:
        yield from visit(path)


def incomplete_headers(root, tree, compiler):
    """Headers that do not compile on their own."""
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", '-DGATECAST_VERSION="0"', "-I."]
    for path in tree:
        if not path.endswith(".h"):
            continue
        # By way of a file that includes it: as a main file, its own inline functions would count as unused.
        run = subprocess.run([*compiler, *flags, "-fsyntax-only", "-x", "c", "-"], input=f'#include "{path}"\n',
                             cwd=root, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            yield f"{path}: does not compile alone:\n{run.stderr}"


def faults(root, compiler=None):
    tree = read_tree(root)
    if not tree:
        yield f"{root}: no source file found"
    yield from wrong_arrows(tree)
    yield from wrong_homes(tree)
    yield from cycles(tree)
    if compiler:
        yield from incomplete_headers(root, tree, compiler)


def main():
    found = list(faults(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
