"""The Python standard library's own source as a corpus: always at hand.

Some 9 million characters of real text that comes with every Python, or its
documentation strings alone, 1.6 million. What it holds depends on the Python
version, which is why a run records that version and a digest of the corpus.
"""

import ast
import functools
import hashlib
import inspect
import pathlib
import sysconfig
import warnings
from collections.abc import Iterator

from lstm_jax.errors import DataError

# Not the library's own hand-written source: tests, other people's packages,
# and tables (character encodings, help topics, grammars, MSI schemas).
_LEFT_OUT = {
  "__pycache__",
  "_bundled",
  "dist-packages",
  "encodings",
  "idle_test",
  "lib2to3",
  "msilib",
  "pydoc_data",
  "site-packages",
  "test",
  "tests",
}
# Written by scripts of Python's own build.
_GENERATED = {
  "_opcode_metadata.py",
  "html/entities.py",
  "keyword.py",
  "re/_casefix.py",
  "stringprep.py",
  "token.py",
}

# Of a syntax tree: what may have functions and classes inside.
_BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)


def read_stdlib(
  root: pathlib.Path | None = None, docstrings: bool = False
) -> dict[str, str]:
  """The source as {"train": ..., "valid": ..., "test": ...}.

  A file belongs to the split that the hash of its path says, and lies within it
  in the order of the hashes, so that a file which another version of Python
  lacks moves no other.

  Args:
    root: the library's folder; None is that of the running Python.
    docstrings: those of modules, classes and functions, in the order of the
      source with an empty line behind each, and nothing else.

  Raises:
    DataError: this Python comes without source files.
  """
  root = root or pathlib.Path(sysconfig.get_paths()["stdlib"])
  files = []
  for path in root.rglob("*.py"):
    relative = path.relative_to(root)
    folders = relative.parts[:-1]
    if (
      _LEFT_OUT.intersection(folders)
      or any(folder.startswith("config-") for folder in folders)
      or path.name.startswith("_sysconfigdata")
      or relative.as_posix() in _GENERATED
    ):
      continue
    digest = hashlib.sha256(relative.as_posix().encode()).digest()
    files.append((int.from_bytes(digest[:8]) / 2**64, path))
  splits = {"train": [], "valid": [], "test": []}
  for place, path in sorted(files):
    try:
      text = path.read_bytes().decode("utf-8")
    except (UnicodeDecodeError, OSError):
      continue  # a few files are in other encodings, or not readable
    split = "train" if place < 0.90 else "valid" if place < 0.95 else "test"
    splits[split].append("".join(_docstrings(text)) if docstrings else text)
  texts = {name: "".join(parts) for name, parts in splits.items()}
  if not all(texts.values()):
    raise DataError(
      f"{root}: this Python comes without the source of its library; train on"
      " a text of your own as task.corpus"
    )
  return texts


def _docstrings(source: str) -> Iterator[str]:
  with warnings.catch_warnings(action="ignore"):  # about escapes
    try:
      left: list[ast.AST] = [ast.parse(source.removeprefix("\ufeff"))]
    except SyntaxError:
      return
  while left:
    node = left.pop()
    if isinstance(
      node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    ) and (text := ast.get_docstring(node, clean=False)):
      yield inspect.cleandoc(text) + "\n\n"
    inside = ast.iter_child_nodes(node)
    left += reversed([n for n in inside if isinstance(n, _BLOCKS)])


# What a corpus is called, and what it is.
CORPORA = {
  "stdlib": (read_stdlib, "standard library"),
  "docstrings": (
    functools.partial(read_stdlib, docstrings=True),
    "documentation strings of the standard library",
  ),
}
