"""Counting tasks against strings written out."""

import numpy as np
import pytest
from task_checks import assert_uniform, loss_of, samples

from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.counting import CountingConfig
from lstm_jax.tasks.sequence_task import as_row


def legal_symbols(string: str, letters: str) -> str:
  """What can follow each symbol of S a^n b^n ..., for any n from 1."""
  n = string.count("a")
  after = {"S": ["a"], "a": ["ab"] * n}
  for letter, following in zip(letters[1:], [*letters[2:], "T"]):
    after[letter] = [letter] * (n - 1) + [following]
  return [legal for letter in "S" + letters for legal in after[letter]]


@pytest.mark.parametrize("letters", ["ab", "abc"])
@pytest.mark.parametrize("loss", ["squared_error", "binary", "cross_entropy"])
def test_counting(letters, loss):
  k = len(letters)
  config = CountingConfig(loss=loss, letters=k, smallest=2, largest=5)
  assert config.sizes() == Spec("tokens", k + 1, k + 1)
  examples = samples(config, 2000)
  assert examples.mask.shape == (2000, 1 + 5 * k)
  np.testing.assert_array_equal(examples.weights, examples.mask)
  sizes = []
  for row in range(2000):
    mask = examples.mask[row]
    steps = mask.sum()
    assert mask[:steps].all()
    string = "".join(("S" + letters)[i] for i in examples.inputs[row, :steps])
    n = string.count("a")
    sizes.append(n)
    assert string == "S" + "".join(letter * n for letter in letters)
    outputs = letters + "T"
    legal = np.array(
      [[c in s for c in outputs] for s in legal_symbols(string, letters)]
    )
    if loss == "cross_entropy":
      np.testing.assert_array_equal(examples.accepted[row, :steps], legal)
      following = "".join(outputs[i] for i in examples.targets[row, :steps])
      assert "S" + following == string + "T"
    else:
      np.testing.assert_array_equal(examples.targets[row, :steps], legal)
      assert examples.accepted is None
  assert_uniform(np.array(sizes), 2, 5)


@pytest.mark.parametrize("loss", ["squared_error", "binary", "cross_entropy"])
def test_a_string_is_right_if_every_step_is(loss):
  config = CountingConfig(loss=loss, letters=3, smallest=4, largest=4)
  examples = samples(config, 3)
  legal = examples.targets if loss != "cross_entropy" else examples.accepted
  values = 0.3 + 0.4 * legal  # on the right side of 0.5, and of each other
  if loss == "binary":
    values = values - 0.5
  task = config.load(3)
  _, targets = as_row(examples)
  scores = task.scores(loss_of(task, values, targets))
  assert scores["wrong_sequences"] == 0
  # T at the second a of the second string
  values[1, 2, -1] = 0.8
  scores = task.scores(loss_of(task, values, targets))
  assert scores["wrong_sequences"] == pytest.approx(1 / 3)
  assert scores["accuracy"] == pytest.approx(1 - 1 / (3 * 13))


def test_an_empty_range_is_refused():
  with pytest.raises(ConfigError) as error:
    CountingConfig(smallest=11).check()
  assert str(error.value) == (
    "task.smallest: must be at most task.largest 10, got 11"
  )
