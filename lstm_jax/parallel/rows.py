"""Splitting the rows of a batch over devices.

Each device computes the loss and the gradient of its rows; one sum over devices
makes them those of the batch. Parameters and optimiser state are copied to
every device, the carried state stays where its rows are. On CPU the devices are
cores, see `runtime.setup`; of several processes each gives as many.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from jax.core import Tracer
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ROWS = PartitionSpec("batch")  # an array [b ...]
COPIES = PartitionSpec()

_LARGEST_HIDDEN = 512
_FEWEST_ROWS = 8


def choose_devices(
  batch: int, hidden_sizes: tuple[int, ...], cores: int
) -> int:
  """How many cores to split a batch over on CPU.

  A small matrix product cannot keep two cores busy, so that each had better
  take rows of its own; a large one can, and half the rows would read the same
  weights for half the work. scripts/benchmark_lstm.py measures both.
  """
  if max(hidden_sizes, default=0) > _LARGEST_HIDDEN:
    return 1
  most = max(min(cores, batch // _FEWEST_ROWS), 1)
  return next(n for n in range(most, 0, -1) if batch % n == 0)


def make_mesh(devices: int, model_parallel: int = 1) -> Mesh | None:
  """A mesh of the first devices of every process; None for one device.

  model_parallel: how many of them share one copy of the model, along a second
    axis; see `units`.
  """
  if devices == 1:
    return None
  kinds = (jax.sharding.AxisType.Auto,)
  count = jax.process_count()
  chosen = [
    device
    for process in range(count)
    for device in jax.local_devices(process)[: devices // count]
  ]
  shape, names = (devices,), ("batch",)
  if model_parallel > 1:
    shape = (devices // model_parallel, model_parallel)
    names = ("batch", "model")
  return jax.make_mesh(shape, names, kinds * len(names), devices=chosen)


class Layout:
  """How a batch and a model lie on devices: each device has some of the rows,
  and a copy of the parameters. `units.UnitLayout` shares the parameters too.

  mesh: the devices; None is one, and nothing is to be split.
  """

  carry = ROWS  # of the carried state

  def __init__(self, mesh: Mesh | None = None):
    self.mesh = mesh

  def parameters(self, tree: Any) -> Any:
    """The specs of parameters, or of a tree of their likes."""
    return COPIES

  def own_part(self, model: Any) -> Any:
    """The model that computes a device's part; inside a split function."""
    return model

  def split_gradient(self, function: Callable, params: Any) -> Callable:
    """(parameters, batch, carried state, key, row numbers) -> (gradient, sums,
    carried state) for the batch, of a function that computes the gradient of a
    device's part of the parameters and sums over its rows."""
    specs = self.parameters(params)

    def run(*arguments):
      gradient, sums, carry = function(*arguments)
      return self.sum_gradients(gradient, specs), self.sum(sums), carry

    return self._split(run, specs, (specs, COPIES, self.carry))

  def split_scores(self, function: Callable, params: Any) -> Callable:
    """The same of (...) -> (sums, carried state)."""

    def run(*arguments):
      sums, carry = function(*arguments)
      return self.sum(sums), carry

    return self._split(run, self.parameters(params), (COPIES, self.carry))

  def _split(self, function, params, results):
    arguments = (params, ROWS, self.carry, COPIES, ROWS)
    return split_rows(function, self.mesh, arguments, results)

  def sum(self, tree: Any) -> Any:
    """Of every device's numbers; inside a split function."""
    return jax.lax.psum(tree, "batch")

  def sum_gradients(self, gradients: Any, specs: Any) -> Any:
    """The gradients of the batch; inside a split function."""
    return self.sum(gradients)

  def place_state(self, state: Any) -> Any:
    """Puts a train state on the devices."""
    if self.mesh is None:
      return state
    names = [field.name for field in dataclasses.fields(state)]
    parts = {name: getattr(state, name) for name in names}
    specs = {name: self.parameters(part) for name, part in parts.items()}
    specs["carry"] = jax.tree.map(lambda _: self.carry, state.carry)
    return state.replace(**place(parts, self.mesh, specs))

  def to_file(self, tree: Any) -> Any:
    """Parameters, or their likes, in the order that checkpoints have."""
    return tree

  def from_file(self, tree: Any) -> Any:
    return tree


def split_rows(
  function: Callable, mesh: Mesh | None, arguments: tuple, results: tuple
) -> Callable:
  """Runs a function on every device's share of its arguments.

  Args:
    function: takes and returns tuples of trees.
    arguments, results: for each of them ROWS, which are split, COPIES, or a
      tree of such specs.
  """
  if mesh is None:
    return function
  return jax.shard_map(
    function, mesh=mesh, in_specs=arguments, out_specs=results, check_vma=False
  )


def place(tree: Any, mesh: Mesh | None, spec: Any) -> Any:
  """Puts arrays where a split function expects them.

  spec: of all of them, or a tree with one for each.
  Of several processes each has the whole arrays and keeps its part of them.
  """
  if mesh is None:
    return tree
  sharding = jax.tree.map(lambda each: NamedSharding(mesh, each), spec)
  traced = any(isinstance(a, Tracer) for a in jax.tree.leaves(tree))
  if traced or jax.process_count() == 1:
    return jax.device_put(tree, sharding)
  return jax.jit(_identity, out_shardings=sharding)(tree)


def _identity(tree):
  return tree
