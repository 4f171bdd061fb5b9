"""Public functions say what they take and what they return."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parent.parent


def public_functions(node):
  for inside in ast.iter_child_nodes(node):
    if getattr(inside, "name", "_").startswith("_"):
      continue
    if isinstance(inside, ast.ClassDef):
      yield from public_functions(inside)
    elif isinstance(inside, ast.FunctionDef):
      yield inside


def test_every_parameter_of_a_public_function_is_annotated():
  missing = []
  for folder in ("lstm_jax", "experiments"):
    for path in sorted((ROOT / folder).rglob("*.py")):
      for function in public_functions(ast.parse(path.read_text())):
        all_of_them = function.args
        parameters = all_of_them.posonlyargs + all_of_them.args
        missing += [
          f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {p.arg}"
          for p in parameters + all_of_them.kwonlyargs
          if p.annotation is None and p.arg not in ("self", "cls")
        ]
  assert not missing, "\n".join(missing)
