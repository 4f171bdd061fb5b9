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

from lstm_jax.parallel.rows import COPIES, Layout
from lstm_jax.parallel.split_lstm import gather, split_stack
from lstm_jax.parallel.split_softmax import SplitSoftmax, own_columns

_GATES = ("w_x", "w_h", "b")
_SPLIT = (*_GATES, "embedding", "softmax_w", "softmax_b")


class UnitLayout(Layout):
  """mesh: with an axis "model"."""

  mesh: Mesh

  def __init__(self, mesh: Mesh):
    super().__init__(mesh)
    self.parts = mesh.shape["model"]
    # JAX itself leaves out an axis of one device, and would compile again.
    rows = "batch" if mesh.shape["batch"] > 1 else None
    self.carry = PartitionSpec(rows, "model")

  def parameters(self, tree: Any) -> Any:
    def spec(path, leaf):
      if _name(path) in _SPLIT and leaf.shape[-1] % self.parts == 0:
        return PartitionSpec(*[None] * (leaf.ndim - 1), "model")
      return COPIES

    return jax.tree_util.tree_map_with_path(spec, tree)

  def own_part(self, model: Any) -> Any:
    """Its state has the hidden units of this device, its outputs their
    likelihood alone."""
    embed, make_head, size = model.embed, model.make_head, model.vocabulary_size

    def embed_all(*arguments):
      return gather(embed(*arguments), "model")

    def make_part(*arguments):
      head = make_head(*arguments)
      w, b = own_columns(head.w, head.b, "model", size)
      return SplitSoftmax(w, b, "model", size)

    model.embed, model.make_head = embed_all, make_part
    split_stack(model.stack, self.parts, "model")
    return model

  def sum_gradients(self, gradients: Any, specs: Any) -> Any:
    """A device's gradient for what all have is of its own part of the
    computation."""

    def total(gradient, spec):
      axes = ("batch",) if spec != COPIES else self.mesh.axis_names
      return jax.lax.psum(gradient, axes)

    return jax.tree.map(total, gradients, specs)

  def to_file(self, tree: Any) -> Any:
    return self._reorder(tree, (self.parts, 4))

  def from_file(self, tree: Any) -> Any:
    return self._reorder(tree, (4, self.parts))

  def _reorder(self, tree, shape):
    """Gate columns from the order of the devices to that of a checkpoint, or
    back."""

    def leaf(path, a):
      if _name(path) not in _GATES:
        return a
      # One whole matrix on each device, for a moment, once a checkpoint.
      whole = NamedSharding(self.mesh, COPIES)
      a = jax.lax.with_sharding_constraint(a, whole)
      blocks = a.reshape(*a.shape[:-1], *shape, -1)
      return jnp.swapaxes(blocks, -3, -2).reshape(a.shape)

    shardings = jax.tree.map(
      lambda a, spec: (
        a.sharding if spec == COPIES else NamedSharding(self.mesh, spec)
      ),
      tree,
      self.parameters(tree),
    )
    reorder = jax.jit(
      lambda tree: jax.tree_util.tree_map_with_path(leaf, tree),
      out_shardings=shardings,
    )
    return reorder(tree)


def _name(path):
  return getattr(path[-1], "key", None) if path else None
