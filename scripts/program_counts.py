"""What an update costs, counted from its program: products and messages."""

import re
from collections import Counter
from typing import NamedTuple

import jax
import numpy as np

_COLLECTIVE = re.compile(
  r"%\S+ = (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all"
  r"|collective-permute)(-start)?\(.*?replica_groups=(.*?), \w+="
)
_SHAPE = re.compile(r"\b([a-z]+\d+\w*|pred)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:calls|to_apply|body)=%([^\s,)}]+)")
_BRANCHES = re.compile(r"branch_computations=\{(.*?)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


class Products(NamedTuple):
  """Matrix products of a program."""

  flops: int  # 2 for a multiplication and its addition
  bytes: int  # of what each reads and writes, nothing kept between two


def count_products(function, *arguments) -> Products:
  """The matrix products of a function, loops counted as often as they run."""
  return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of_jaxpr(jaxpr) -> Products:
  flops = moved = 0
  for equation in jaxpr.eqns:
    if equation.primitive.name == "dot_general":
      (contracted, _), _ = equation.params["dimension_numbers"]
      shape = equation.invars[0].aval.shape
      out = equation.outvars[0].aval
      flops += 2 * out.size * int(np.prod([shape[i] for i in contracted]))
      moved += sum(
        v.aval.size * v.aval.dtype.itemsize
        for v in (*equation.invars, *equation.outvars)
      )
    times = equation.params.get("length", 1)
    for inner in _inside(equation.params):
      more = _of_jaxpr(inner)
      flops += times * more.flops
      moved += times * more.bytes
  return Products(flops, moved)


def _inside(params):
  """The programs that an equation runs."""
  for value in jax.tree.leaves(list(params.values())):
    program = getattr(value, "jaxpr", value)
    if hasattr(program, "eqns"):
      yield program


def count_messages(text: str) -> Counter:
  """Bytes of each kind of message between devices, from a compiled program.

  Those are the results' bytes on one device: of an all-reduce the summed array,
  of an all-gather the gathered one, of a reduce-scatter the part that stays.

  text: what `compiled.as_text()` gives.

  Returns:
    {(operation, axes of the mesh): bytes}.

  Raises:
    ValueError: messages in a loop of which the program does not say how often
      it runs.
  """
  bodies, entry = _computations(text)

  def of(name):
    total = Counter()
    for line in bodies.get(name, ()):
      if match := _COLLECTIVE.search(line):
        result, operation, _, groups = match.groups()
        axes = re.findall(r"'(\w+)'", groups.rpartition("]")[2])
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", groups))
        if not axes or any(sizes.get(axis) != "1" for axis in axes):
          total[operation, ",".join(axes) or groups] += _bytes(result)
        continue
      called = _CALLED.findall(line)
      for branches in _BRANCHES.findall(line):
        called += re.findall(r"%([^\s,]+)", branches)
      inner = sum(map(of, called), Counter())
      if inner and " while(" in line:
        if not (trips := _TRIPS.search(line)):
          raise ValueError(f"how often does it run? {line.strip()[:80]}")
        inner = Counter({k: v * int(trips[1]) for k, v in inner.items()})
      total += inner
    return total

  return of(entry)


def _computations(text):
  """The lines of each computation, and the name of the first one to run."""
  bodies, entry, lines = {}, None, []
  for line in text.splitlines():
    head = re.match(r"(ENTRY )?%(\S+) \(.*\{$", line)
    if head:
      lines = bodies[head[2]] = []
      entry = head[2] if head[1] else entry
    else:
      lines.append(line)
  return bodies, entry


def _bytes(shapes: str) -> int:
  total = 0
  for kind, sizes in _SHAPE.findall(shapes):
    bits = 8 if kind == "pred" else int(re.search(r"\d+", kind)[0])
    elements = int(np.prod([int(n) for n in sizes.split(",") if n]))
    total += elements * bits // 8
  return total
