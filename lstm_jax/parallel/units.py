"""Splitting the hidden units of large layers over devices.

The mesh's axis "model" has the devices that share one copy of the model: of
every LSTM layer each has the four gates of its units, of the embedding its
columns, of the softmax its part of the vocabulary, and of the optimiser's state
the same. A softmax whose vocabulary does not divide is stored whole by each and
computed in parts all the same.

In memory the columns of a gate matrix lie device after device, i f g o of the
units of each; in a checkpoint they lie as everywhere, so that it restores on
any number of devices.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lstm_jax.parallel.rows import COPIES, ROWS

_GATES = ("w_x", "w_h", "b")
_SPLIT = (*_GATES, "embedding", "softmax_w", "softmax_b")


def parts(mesh: Mesh | None) -> int:
  """How many devices share one copy of the model."""
  return mesh.shape.get("model", 1) if mesh else 1


def specs(tree: Any, mesh: Mesh | None) -> Any:
  """How parameters, or a state that holds their likes, lie on the devices."""
  count = parts(mesh)

  def spec(path, leaf):
    if count > 1 and _name(path) in _SPLIT and leaf.shape[-1] % count == 0:
      return PartitionSpec(*[None] * (leaf.ndim - 1), "model")
    return COPIES

  return jax.tree_util.tree_map_with_path(spec, tree)


def carry_spec(mesh: Mesh | None) -> PartitionSpec:
  """How a carried state [b h] lies."""
  if parts(mesh) == 1:
    return ROWS
  # JAX itself leaves out an axis of one device, and would compile again.
  rows = "batch" if mesh.shape["batch"] > 1 else None
  return PartitionSpec(rows, "model")


def _name(path):
  return getattr(path[-1], "key", None)


def part_of(model: Any, mesh: Mesh | None) -> Any:
  """Inside `split_rows`: the model that computes a device's part."""
  if parts(mesh) > 1:
    model.take_part(parts(mesh), "model")
  return model


def sum_gradients(gradients: Any, layout: Any, mesh: Mesh | None) -> Any:
  """Inside `split_rows`: the gradients of the batch from those of each device.

  layout: the parameters' `specs`. A device's gradient for what all have is of
    its own part of the computation.
  """

  def total(gradient, spec):
    axes = ("batch",) if parts(mesh) == 1 or spec != COPIES else mesh.axis_names
    return jax.lax.psum(gradient, axes)

  return jax.tree.map(total, gradients, layout) if mesh else gradients


def to_memory(tree: Any, mesh: Mesh | None) -> Any:
  """Gate columns from a checkpoint's order to that of the devices."""
  return _reorder(tree, mesh, (4, parts(mesh)))


def to_file(tree: Any, mesh: Mesh | None) -> Any:
  """Gate columns back in a checkpoint's order."""
  return _reorder(tree, mesh, (parts(mesh), 4))


def _reorder(tree, mesh, shape):
  if parts(mesh) == 1:
    return tree

  def leaf(path, a):
    if _name(path) not in _GATES:
      return a
    # One whole matrix on each device, for a moment, once a checkpoint.
    a = jax.lax.with_sharding_constraint(a, NamedSharding(mesh, COPIES))
    blocks = a.reshape(*a.shape[:-1], *shape, -1)
    return jnp.swapaxes(blocks, -3, -2).reshape(a.shape)

  shardings = jax.tree.map(
    lambda a, spec: a.sharding if spec == COPIES else NamedSharding(mesh, spec),
    tree,
    specs(tree, mesh),
  )
  reorder = jax.jit(
    lambda tree: jax.tree_util.tree_map_with_path(leaf, tree),
    out_shardings=shardings,
  )
  return reorder(tree)
