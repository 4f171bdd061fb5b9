"""What scripts.scaling counts is what there is."""

import jax
import numpy as np
import pytest
from conftest import make_small_config, run_process

from lstm_jax.errors import ConfigError
from lstm_jax.models.language_model import parameter_count
from lstm_jax.run.build import build
from scripts import scaling
from scripts.scaling import count_messages


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
  v = experiment.task.sizes.outputs
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


@pytest.mark.parametrize(
  "words, message",
  [
    ((), "--output is missing"),
    (("--output=x", "--parts=wake"), "--parts: wake is none of weak"),
    (("--output=x", "--meshes=2"), "--meshes=2: must be like 2x1"),
  ],
)
def test_wrong_flags(words, message):
  with pytest.raises(ConfigError, match=message):
    scaling.main(["scaling", *words])


@pytest.mark.slow
def test_the_command(corpus, tmp_path):
  printed = run_process(
    "scripts.scaling",
    *("--config=configs/char_lm.py:tiny", f"--config.task.corpus={corpus}"),
    *("--config.task.limit=0", "--config.train.batch_size=4"),
    *(f"--output={tmp_path}", "--devices=2", "--updates=2", "--meshes=2x2"),
  )
  text = (tmp_path / "scaling.md").read_text()
  assert printed.strip() in text
  for title in ("Weak scaling", "Strong scaling", "Messages"):
    assert f"### {title}" in text
  assert text.count("\n| 2 | 2 |") == 2  # two processes, weak and strong
  assert "| 2 x 2 | batch | all-reduce |" in text
