"""What is learnt of own arrays before training, and kept with the run: sizes,
classes, means and deviations."""

from typing import Any, NamedTuple

import numpy as np

from lstm_jax.data.columns import Arrays, check_finite, shape_in_words
from lstm_jax.errors import DataError

# What the targets are for each goal.
_TARGETS = {
  "classification": "integers or text [samples] or [samples timesteps]",
  "regression": (
    "numbers [samples], [samples outputs] or [samples timesteps outputs]"
  ),
  "next_step": "none: the inputs one timestep ahead",
}
GOALS = tuple(_TARGETS)


class Rows(NamedTuple):
  """Samples as batches are made of them."""

  inputs: np.ndarray  # standardised [n t ...], or symbols [n t]
  # classes [n] or [n t], standardised numbers [n k] or [n t k]; None where the
  # inputs are the targets
  targets: np.ndarray | None
  lengths: np.ndarray  # [n]


class Scale(NamedTuple):
  """Of each feature, channel or output."""

  means: list[float]
  deviations: list[float]

  def standardise(self, values: np.ndarray) -> np.ndarray:
    return ((values - self.means) / self.deviations).astype(np.float32)

  def undo(self, values: np.ndarray) -> np.ndarray:
    """In the data's own unit."""
    return np.asarray(values, np.float64) * self.deviations + self.means


class Facts(NamedTuple):
  goal: str
  symbols: int  # how many there are; 0 where inputs are numbers
  shape: list[int]  # of a timestep's numbers: [features] or [y x channels]
  scale: Scale  # of the inputs
  features: list[str]  # columns of a CSV file; else none
  classes: list[Any] | None  # labels, or symbols; None where numbers are said
  outputs: list[str]  # their names, where numbers are said
  target_scale: Scale
  at_end: bool  # one target a sequence, at its last timestep

  def encode(self, arrays: Arrays) -> Rows:
    """Samples as the model takes them; what lies behind a sequence is 0.

    Raises:
      DataError: the arrays are not of these sizes and classes.
    """
    where, inputs, _, lengths = arrays
    mask, symbols = arrays.mask(), inputs.ndim == 2
    if symbols != bool(self.symbols) or list(inputs.shape[2:]) != self.shape:
      sizes = " ".join(map(str, ["samples", "timesteps", *self.shape]))
      kind = "integers" if self.symbols else "numbers"
      raise DataError(
        f"{where}inputs must be {kind} [{sizes}], as in training, got"
        f" {shape_in_words(inputs)}"
      )
    inputs = _inside(inputs, mask)
    if not symbols:
      inputs = _inside(self.scale.standardise(inputs), mask)
    elif (high := inputs.max()) >= self.symbols:
      raise DataError(
        f"{where}inputs: symbols are 0 to {self.symbols - 1}, as in training;"
        f" there is {high}"
      )
    else:
      inputs = inputs.astype(np.int32)
    if arrays.targets is None or self.goal == "next_step":
      return Rows(inputs, None, lengths)
    return Rows(inputs, self._encode_targets(arrays), lengths)

  def _encode_targets(self, arrays: Arrays) -> np.ndarray:
    targets = targets_of(arrays, self.goal)
    numbers = self.classes is None
    if targets.ndim != 1 + numbers + (not self.at_end) or (
      numbers and targets.shape[-1] != len(self.outputs)
    ):
      raise DataError(
        f"{arrays.where}targets: {shape_in_words(targets)} does not go with the"
        " training split's"
      )
    mask = np.ones(len(targets), bool) if self.at_end else arrays.mask()
    if numbers:
      return _inside(self.target_scale.standardise(targets), mask)
    assert self.classes is not None
    numbers = {str(label): k for k, label in enumerate(self.classes)}
    labels, place = np.unique(targets, return_inverse=True)
    found = np.array([numbers.get(str(label), -1) for label in labels])
    found = found[place].reshape(targets.shape)
    if (wrong := mask & (found < 0)).any():
      raise DataError(
        f'{arrays.where}targets: "{targets[wrong][0]}" is none of the'
        f" {len(numbers)} classes of training"
      )
    return _inside(found, mask).astype(np.int32)

  def in_words(self, said: np.ndarray) -> list:
    """Labels of class numbers, or standardised numbers in their own unit."""
    if self.classes is not None:
      return np.asarray(self.classes)[said].tolist()
    return self.target_scale.undo(said).tolist()


def _inside(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """0 where the mask is False."""
  mask = mask.reshape(*mask.shape, *[1] * (values.ndim - mask.ndim))
  return np.where(mask, values, np.zeros((), values.dtype))


def targets_of(arrays: Arrays, goal: str) -> np.ndarray:
  """Labels [n] or [n t], or numbers [n k] or [n t k], in their own unit.

  Raises:
    DataError: there are none, or of another kind.
  """
  name, targets = f"{arrays.where}targets", arrays.targets
  if targets is None:
    raise DataError(f"{name}: there are none; {goal} needs {_TARGETS[goal]}")
  kind, axes = targets.dtype.kind, targets.ndim
  dense = targets.shape[:2] == arrays.inputs.shape[:2]
  if goal == "classification":
    whole = kind in "iubUS" or (kind == "f" and not (targets % 1).any())
    if whole and (axes == 1 or (axes == 2 and dense)):
      return targets.astype(str if kind in "US" else np.int64)
  elif kind in "iubf" and (axes < 3 or (axes == 3 and dense)):
    targets = targets[:, None] if axes == 1 else targets
    check_finite(name, targets, arrays.mask() if axes == 3 else None)
    return targets
  raise DataError(
    f"{name} must be {_TARGETS[goal]} for {goal}, got {shape_in_words(targets)}"
  )


def learn_facts(
  splits: dict[str, Arrays],
  goal: str,
  standardise: bool,
  features: list[str],
  output: str = "",
) -> Facts:
  """Symbols and classes of all splits, means and deviations of the training
  split.

  features, output: columns of a CSV file.

  Raises:
    DataError: the arrays are not for this goal.
  """
  train = splits["train"]
  shape = list(train.inputs.shape[2:])
  symbols, scale, classes, names = 0, Scale([], []), None, []
  if shape:
    scale = _scale(train.inputs[train.mask()], standardise)
  else:
    each = (a.inputs.max(where=a.mask(), initial=0) for a in splits.values())
    symbols = 1 + int(max(each))
  if goal == "next_step":
    if len(shape) > 1:
      raise DataError(
        f"{train.where}inputs: images have no next_step; give targets and"
        " another task.goal"
      )
    target_scale, at_end = scale, False
    if symbols:
      classes = list(range(symbols))
    else:
      names = features or [str(k) for k in range(shape[0])]
  elif goal == "classification":
    labels = {split: targets_of(a, goal) for split, a in splits.items()}
    at_end, target_scale = labels["train"].ndim == 1, Scale([], [])
    inside = [
      each if each.ndim == 1 else each[splits[split].mask()]
      for split, each in labels.items()
    ]
    classes = np.unique(np.concatenate(inside)).tolist()
  else:
    targets = targets_of(train, goal)
    at_end = targets.ndim == 2
    values = targets if at_end else targets[train.mask()]
    target_scale = _scale(values, standardise)
    names = [output] if output else [str(k) for k in range(values.shape[-1])]
  return Facts(
    *(goal, symbols, shape, scale, features, classes, names),
    *(target_scale, at_end),
  )


def read_facts(assets: dict[str, Any]) -> Facts:
  """Those that a run kept as arrays.json.

  Raises:
    DataError: it is missing or damaged.
  """
  try:
    facts = Facts(**assets["arrays"])
    scales = Scale(*facts.scale), Scale(*facts.target_scale)
    return facts._replace(scale=scales[0], target_scale=scales[1])
  except (KeyError, TypeError):
    raise DataError("arrays.json: damaged; put back a copy of it") from None


def _scale(values: np.ndarray, standardise: bool) -> Scale:
  """Of the last axis. What never changes has the deviation 1."""
  count = values.shape[-1]
  if not standardise:
    return Scale([0.0] * count, [1.0] * count)
  values = values.reshape(-1, count).astype(np.float64)
  means, deviations = values.mean(0), values.std(0)
  constant = deviations <= 1e-9 * np.abs(means)
  return Scale(means.tolist(), np.where(constant, 1.0, deviations).tolist())
