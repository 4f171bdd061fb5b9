"""A scan for a handful of units, whose `vmap` puts the mapped axis last.

`vmap` puts trials first, [n b h]. Where b is 1 and h is small, XLA makes loops
of a few steps of that, which a CPU goes through one number after the other.
[b h n] with n = 8 it computes in vectors, eight trials in the time of one; with
other n it does not, so that trials are taken by eights.
python -m scripts.benchmark_trials measures what that gains.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from lstm_jax.array_types import PyTree

LANES = 8


def scan(
  step: Callable, shared: PyTree, carry: PyTree, xs: PyTree, **options
) -> tuple[PyTree, PyTree]:
  """`lax.scan` of (shared, carry, x) -> (carry, y)."""

  def run(step, arguments):
    shared, carry, xs = arguments
    return lax.scan(lambda *a: step(shared, *a), carry, xs, **options)

  @custom_vmap
  def one(*arguments):
    return run(step, arguments)

  @one.def_vmap
  def several(size, is_mapped, *arguments):
    if size % LANES:
      axes = jax.tree.map(
        lambda mapped: 0 if mapped else None, tuple(is_mapped)
      )
      results = jax.vmap(lambda *a: run(step, a), axes)(*arguments)
      return results, jax.tree.map(lambda _: True, results)
    groups = size // LANES

    def split(a, is_mapped):  # [n ...] to [groups ... 8]
      a = a if is_mapped else jnp.broadcast_to(a, (size, *a.shape))
      return jnp.moveaxis(a.reshape(groups, LANES, *a.shape[1:]), 1, -1)

    def join(a):
      a = jnp.moveaxis(a, -1, 1)
      return a.reshape(size, *a.shape[2:])

    arguments = jax.tree.map(split, arguments, tuple(is_mapped))
    results = lax.map(lambda group: run(_map_last(step), group), arguments)
    results = jax.tree.map(join, results)
    return results, jax.tree.map(lambda _: True, results)

  return one(shared, carry, xs)


def _map_last(function):
  """`jax.vmap(function, -1, -1)`, but that the mapped axis stays last: the
  rules of `vmap` for some operations move it to the front."""

  def mapped(*arguments):
    leaves, tree = jax.tree.flatten(arguments)
    one = [jax.ShapeDtypeStruct(a.shape[:-1], a.dtype) for a in leaves]
    jaxpr, shapes = jax.make_jaxpr(function, return_shape=True)(
      *jax.tree.unflatten(tree, one)
    )
    results = _evaluate(jaxpr, [(a, -1) for a in leaves])
    full = [
      a if axis else jnp.broadcast_to(a[..., None], (*a.shape, LANES))
      for a, axis in results
    ]
    return jax.tree.unflatten(jax.tree.structure(shapes), full)

  return mapped


def _evaluate(closed, arguments):
  """Arguments and results are (array, -1), or (array, None) if not mapped."""
  jaxpr = closed.jaxpr
  values = {v: (c, None) for v, c in zip(jaxpr.constvars, closed.consts)}
  values |= dict(zip(jaxpr.invars, arguments))

  def read(atom):
    return (atom.val, None) if hasattr(atom, "val") else values[atom]

  for equation in jaxpr.eqns:
    operands = [read(atom) for atom in equation.invars]
    if equation.primitive.name == "jit":
      results = _evaluate(equation.params["jaxpr"], operands)
    elif operands and all(axis for _, axis in operands):
      results = [(a, -1) for a in _apply(equation, [a for a, _ in operands])]
    else:
      results = _apply_vmap(equation, operands)
    values |= dict(zip(equation.outvars, results))
  return [read(atom) for atom in jaxpr.outvars]


def _apply_vmap(equation, operands):
  primitive, axes = equation.primitive, [axis for _, axis in operands]
  axis = -1 if any(axes) else None

  def bind(*operands):
    results = primitive.bind(*operands, **equation.params)
    return results if primitive.multiple_results else [results]

  bind = jax.vmap(bind, axes, -1) if axis else bind
  return [(a, axis) for a in bind(*(a for a, _ in operands))]


def _apply(equation, operands):
  a, params = operands[0], equation.params
  match equation.primitive.name:
    case "broadcast_in_dim":
      shape = (*params["shape"], LANES)
      dimensions = (*params["broadcast_dimensions"], len(shape) - 1)
      return [lax.broadcast_in_dim(a, shape, dimensions)]
    case "reshape":
      return [lax.reshape(a, (*params["new_sizes"], LANES))]
    case "transpose":
      return [lax.transpose(a, (*params["permutation"], a.ndim - 1))]
    case "squeeze":
      return [lax.squeeze(a, params["dimensions"])]
    case "concatenate":
      return [lax.concatenate(operands, params["dimension"])]
    case "reduce_sum" if len(params["axes"]) == 1:
      (axis,) = params["axes"]
      return [sum(jnp.moveaxis(a, axis, 0))]
  return [x for x, _ in _apply_vmap(equation, [(a, -1) for a in operands])]
