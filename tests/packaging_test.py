"""What pyproject.toml, the lock and the papers of the package say agrees."""

import pathlib
import re
import tomllib

import lstm_jax

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def name(requirement: str) -> str:
  return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def test_the_version_is_in_one_place_and_in_the_citation():
  assert "version" not in PROJECT["project"]
  citation = (ROOT / "CITATION.cff").read_text()
  assert f"\nversion: {lstm_jax.__version__}\n" in citation
  changes = (ROOT / "CHANGELOG.md").read_text()
  assert f"\n## [{lstm_jax.__version__}]" in changes


def test_the_lock_has_what_the_package_and_its_tests_need():
  needed = (
    PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
  )
  lock = (ROOT / "requirements.txt").read_text().splitlines()
  assert {*map(name, needed)} <= {*map(name, lock)}
  assert [*map(name, lock)] == sorted(map(name, lock))


def test_the_workflow_tests_every_python_that_is_promised():
  promised = [
    line.split(" :: ")[-1]
    for line in PROJECT["project"]["classifiers"]
    if re.search(r":: 3\.\d+$", line)
  ]
  workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
  (tested,) = re.findall(r"python: \[(.*)\]", workflow)
  assert tested == ", ".join(f'"{version}"' for version in promised)
  assert f">={promised[0]}" == PROJECT["project"]["requires-python"]


def test_type_checkers_see_every_public_name():
  stub = (ROOT / "lstm_jax" / "__init__.pyi").read_text()
  seen = re.findall(r"(?<= as )\w+", stub)
  assert sorted(seen) == lstm_jax.__all__
