"""A scan for a handful of units, whose `vmap` puts the mapped axis last.

`vmap` puts trials first, [n b h]. Where b is 1 and h is small, XLA makes loops
of a few steps of that, which a CPU goes through one number after the other.
[b h n] with n = 8 it computes in vectors, eight trials in the time of one; with
most other n it does not, so that `training/trials` takes them by eights.
python -m scripts.benchmark_trials measures what that gains.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal

LANES = 8
# An array or a number; -1 if its last axis is the mapped one.
Value = tuple[Any, int | None]


def put_trials_last(run: Callable) -> Callable:
  """`run` of (step, shared, carry, xs), whose `vmap` of eight trials puts them
  last.

  run: a scan of (shared, carry, x) -> (carry, y).
  """

  def run_step(step, *arguments):
    @custom_vmap
    def run_one(*arguments):
      return run(step, *arguments)

    @run_one.def_vmap
    def run_trials(size, is_mapped, *arguments):
      if size == LANES:
        last = jax.tree.map(_put_last, arguments, tuple(is_mapped))
        results = run(map_last(step), *last)
        results = jax.tree.map(lambda a: jnp.moveaxis(a, -1, 0), results)
      else:
        axes = jax.tree.map(lambda yes: 0 if yes else None, tuple(is_mapped))
        results = jax.vmap(lambda *a: run(step, *a), axes)(*arguments)
      return results, jax.tree.map(lambda _: True, results)

    return run_one(*arguments)

  return run_step


def _put_last(a, is_mapped):
  """[8 ...] to [... 8]"""
  return jnp.moveaxis(a, 0, -1) if is_mapped else _repeat(a)


def map_last(function: Callable) -> Callable:
  """`jax.vmap(function, -1, -1)` of eight, inside which the mapped axis stays
  last: the rules of `vmap` for some operations move it to the front."""

  def mapped(*arguments):
    leaves, tree = jax.tree.flatten(arguments)
    one = [jax.ShapeDtypeStruct(a.shape[:-1], a.dtype) for a in leaves]
    jaxpr, shapes = jax.make_jaxpr(function, return_shape=True)(
      *jax.tree.unflatten(tree, one)
    )
    results = _evaluate(jaxpr, [(a, -1) for a in leaves])
    results = [a if axis else _repeat(a) for a, axis in results]
    return jax.tree.unflatten(jax.tree.structure(shapes), results)

  return mapped


def _evaluate(closed: ClosedJaxpr, arguments: list[Value]) -> list[Value]:
  jaxpr = closed.jaxpr
  constants = [(c, None) for c in closed.consts]
  values: dict[Any, Value] = dict(zip(jaxpr.constvars, constants, strict=True))
  values |= zip(jaxpr.invars, arguments, strict=True)

  def read(atom) -> Value:
    return (atom.val, None) if isinstance(atom, Literal) else values[atom]

  for equation in jaxpr.eqns:
    operands = [read(atom) for atom in equation.invars]
    name = equation.primitive.name
    if name in ("jit", "custom_jvp_call"):
      inner = "jaxpr" if name == "jit" else "call_jaxpr"
      results = _evaluate(equation.params[inner], operands)
    else:
      results = _apply(equation, operands)
    values |= zip(equation.outvars, results, strict=True)
  return [read(atom) for atom in jaxpr.outvars]


def _apply(equation: JaxprEqn, operands: list[Value]) -> list[Value]:
  arrays, axes = [a for a, _ in operands], [axis for _, axis in operands]
  if not any(axes):
    return [(a, None) for a in _bind(equation, *arrays)]
  for i, (a, axis) in enumerate(operands):
    if not axis and jnp.ndim(a):
      arrays[i], axes[i] = _repeat(a), -1
  a, params = arrays[0], equation.params
  match equation.primitive.name:
    case "broadcast_in_dim":
      shape = (*params["shape"], LANES)
      dimensions = (*params["broadcast_dimensions"], len(shape) - 1)
      result = lax.broadcast_in_dim(a, shape, dimensions)
    case "reshape":
      result = lax.reshape(a, (*params["new_sizes"], LANES))
    case "transpose":
      result = lax.transpose(a, (*params["permutation"], a.ndim - 1))
    case "squeeze":
      result = lax.squeeze(a, params["dimensions"])
    case "concatenate":
      result = lax.concatenate(arrays, params["dimension"])
    case "reduce_sum" if len(params["axes"]) == 1:
      result = sum(jnp.moveaxis(a, params["axes"][0], 0))  # of a few numbers
    case _:
      mapped = jax.vmap(lambda *a: _bind(equation, *a), axes, -1)
      return [(a, -1) for a in mapped(*arrays)]
  return [(result, -1)]


def _repeat(a):
  return jnp.broadcast_to(a[..., None], (*a.shape, LANES))


def _bind(equation, *operands):
  primitive = equation.primitive
  params = primitive.get_bind_params(equation.params)
  results = primitive.bind(*operands, **params)
  return results if primitive.multiple_results else [results]
