"""What devices send each other in an update, counted in its compiled program;
and the products that it computes."""

import re
from collections import Counter

import jax
import numpy as np
import pytest
from helpers import make_small_config

from lstm_jax.models.base import parameter_count
from lstm_jax.run.build import build

_COLLECTIVE = re.compile(
  r"%\S+ = (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all"
  r"|collective-permute)(-start)?\(.*?replica_groups=(.*?), \w+="
)
_SHAPE = re.compile(r"\b([a-z]+\d+\w*|pred)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:calls|to_apply|body)=%([^\s,)}]+)")
_BRANCHES = re.compile(r"branch_computations=\{(.*?)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


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


def update_of(corpus, devices, model_parallel):
  config = make_small_config(corpus)
  config.model.hidden_sizes, config.model.embedding_size = (8, 12), 8
  config.train.batch_size, config.task.window = 8, 6
  config.run.devices, config.run.model_parallel = devices, model_parallel
  return build(config, devices=devices)


def compiled(experiment, state):
  """The program of an update."""
  leaves, structure = jax.tree.flatten(state)

  @jax.jit
  def update(leaves, data):
    state = jax.tree.unflatten(structure, leaves)
    return jax.tree.leaves(experiment.train_call(state, data))

  return update.lower(leaves, experiment.data).compile()


def flops(jaxpr) -> int:
  """Of the matrix products, loops counted as often as they run."""
  total = 0
  for equation in jaxpr.eqns:
    if equation.primitive.name == "dot_general":
      (contracted, _), _ = equation.params["dimension_numbers"]
      shape = equation.invars[0].aval.shape
      size = equation.outvars[0].aval.size
      total += 2 * size * int(np.prod([shape[i] for i in contracted]))
    for value in jax.tree.leaves(list(equation.params.values())):
      inner = getattr(value, "jaxpr", value)
      if hasattr(inner, "eqns"):
        total += equation.params.get("length", 1) * flops(inner)
  return total


def test_products_of_an_update(corpus):
  experiment, state = update_of(corpus, 1, 1)
  found = flops(jax.make_jaxpr(experiment.train_call)(state, experiment.data))
  v = experiment.task.spec.outputs
  matrices = (8 + 8) * 32 + (8 + 12) * 48 + 12 * v
  # Forwards, and backwards for the inputs and for the weights; the biases'
  # gradients are a row of the weights' product.
  expected = 3 * 2 * matrices + 2 * (32 + 48)
  assert found == 8 * 6 * expected


def test_messages_of_shared_rows_are_the_gradient(corpus):
  experiment, state = update_of(corpus, 4, 1)
  found = count_messages(compiled(experiment, state).as_text())
  # The gradient, the loss and its weight.
  gradient = 4 * parameter_count(state.params)
  assert set(found) == {("all-reduce", "batch")}
  assert gradient <= found["all-reduce", "batch"] <= gradient + 12


def test_messages_of_shared_units(corpus):
  experiment, state = update_of(corpus, 4, 2)
  found = count_messages(compiled(experiment, state).as_text())
  rows, steps = 4, 6
  h = rows * steps * 4 * np.array([8, 12])  # bytes of each layer's outputs
  # The embedding, and of each layer the hidden states: one step at a time, for
  # the weights' gradient, and as the next layer's input.
  assert found["all-gather", "model"] == h[0] + 3 * h.sum()
  # Backwards, of each device's half: to the embedding, and to each layer's
  # outputs from above and from the next step.
  assert found["reduce-scatter", "model"] == (h[0] + 2 * h.sum()) / 2


def test_one_device_sends_itself_nothing():
  text = LOOP.replace("%s", "").replace("while", "call")
  for size, expected in ((1, {}), (2, {("all-reduce", "batch"): 32})):
    groups = f"replica_groups=mesh['batch'={size},'model'=2] {{'batch'}}"
    found = count_messages(text.replace("GROUPS", groups + ", to_apply=%add"))
    assert found == expected


LOOP = """HloModule m

%body (p: f32[2]) -> f32[2] {
  %x = (f32[2,3]{1,0}, bf16[4]{0}) all-reduce(%p), GROUPS
}

ENTRY %main (p: f32[2]) -> f32[2] {
  %w = f32[2]{0} while(%p), condition=%c, body=%body%s
}
"""


def loop(config: str) -> str:
  groups = "replica_groups={{0,1}}, to_apply=%add"
  return LOOP.replace("GROUPS", groups).replace("%s", config)


def test_messages_in_loops_are_counted():
  text = loop(', backend_config={"known_trip_count":{"n":"7"}}')
  assert count_messages(text) == {("all-reduce", "{{0,1}}"): 7 * (24 + 8)}
  with pytest.raises(ValueError, match="how often does it run"):
    count_messages(loop(""))
