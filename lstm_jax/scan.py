"""The scan over time and its hand-written backward pass.

Differentiating `lax.scan` accumulates every weight gradient step by step. Here
the backward scan carries only the state's cotangent and writes down dz_t, the
gradient of the gate inputs; the gradients of the weights and of the inputs are
then one matrix product each over all time steps. The derivative of a cell's
`step` comes from `jax.vjp` inside the backward scan, recomputed from the stored
gate inputs, so a cell never writes its own backward pass.
python -m scripts.benchmark_training measures what that gains.

Arrays are time-major in this file.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Bool, Float, PyTree
from lstm_jax.cells.base import Cell
from lstm_jax.recurrent_product import recurrent_gradient, recurrent_product

_MATRICES = ("w_x", "w_h", "b")  # what `step` does not see


class Noise(NamedTuple):
  """Random factors of a sequence, drawn beforehand from explicit keys.

  Each array is [b t ...], or [b 1 ...] for the same factor at every step. None
  is no noise; `layers/recurrent_dropout.py` draws the published kinds.
  """

  recurrent: Float[Array, "b t r"] | None = None  # times the recurrent input
  step: PyTree = None  # handed to the cell's `step`
  hold: PyTree = None  # like the state: the part of it that is kept


class Aside(NamedTuple):
  """What a step reads besides its inputs; never differentiated."""

  mask: Bool[Array, "t b"] | None
  reset: Bool[Array, "t b"] | None
  noise: Noise


class Plan(NamedTuple):
  """What does not change from step to step; static under jit."""

  cell: Cell
  return_states: bool
  chunk: int  # time steps whose inputs are projected at once
  project_inside: bool  # or in each step
  unroll: int  # steps in one iteration of the loop
  memory: str
  dtype: Any  # of the inputs, the products and the outputs


def _where(flags, a, b):
  """a where a flag [b] is set, else b; for every leaf [b ...]."""
  return jax.tree.map(
    lambda x, y: jnp.where(flags.reshape(-1, *[1] * (x.ndim - 1)), x, y), a, b
  )


def _split_constants(aside):
  """What changes with time, and what is the same at every step ([1 b ...])."""
  varying = jax.tree.map(lambda a: None if a.shape[0] == 1 else a, aside)
  constant = jax.tree.map(lambda a: a[0] if a.shape[0] == 1 else None, aside)
  return varying, constant


def _merge(varying, constant):
  return jax.tree.map(
    lambda v, c: c if v is None else v,
    varying,
    constant,
    is_leaf=lambda leaf: leaf is None,
  )


def _pointwise(params):
  return {k: v for k, v in params.items() if k not in _MATRICES}


def _before(plan, state, aside):
  """The state that a step starts from."""
  if aside.reset is None:
    return state
  leaf = jax.tree.leaves(state)[0]
  fresh = plan.cell.initial_state(leaf.shape[0], leaf.dtype)
  return _where(aside.reset, fresh, state)


def _recurrent_input(plan, pointwise, before, aside):
  r = plan.cell.recurrent_input(pointwise, before)
  return r if aside.noise.recurrent is None else r * aside.noise.recurrent


def _step(plan, pointwise, z, before, aside):
  """The state after a step, and what it gives out."""
  new = plan.cell.step(pointwise, z, before, aside.noise.step)
  if aside.noise.hold is not None:
    new = jax.tree.map(
      lambda keep, old, new: keep * old + (1 - keep) * new,
      aside.noise.hold,
      before,
      new,
    )
  if aside.mask is not None:
    new = _where(aside.mask, new, before)
  if plan.return_states:
    return new, new
  y = plan.cell.output(new).astype(plan.dtype)
  if aside.mask is not None:
    y = _where(aside.mask, y, jnp.zeros_like(y))
  return new, y


def _gate_inputs(plan, params, zx, before, aside):
  if "w_h" not in params:
    return zx
  r = _recurrent_input(plan, _pointwise(params), before, aside)
  zh = recurrent_product(r, params["w_h"])
  return zx + zh if plan.cell.sums else (zx, zh)


def _forward(plan, params, x, state, aside, constant, *, save):
  """One chunk: final state and, for each step, its output and (if `save`) what
  the backward pass needs: the state before the step and the gate inputs."""

  def step(state, inputs):
    zx, varying = inputs
    if plan.project_inside:
      zx = plan.cell.project(params, zx)
    aside = _merge(varying, constant)
    before = _before(plan, state, aside)
    z = _gate_inputs(plan, params, zx, before, aside)
    new, y = _step(plan, _pointwise(params), z, before, aside)
    return new, ((y, before, z) if save else y)

  if "w_h" in params:
    params = params | {"w_h": params["w_h"].astype(plan.dtype)}
  zx = x if plan.project_inside else plan.cell.project(params, x)
  return lax.scan(step, state, (zx, aside), unroll=plan.unroll)


def run_autodiff(plan, params, x, state, aside):
  """Outputs [t b ...] and final state; JAX differentiates the scan."""
  varying, constant = _split_constants(aside)

  def run_chunk(state, steps, _):
    x, varying = steps
    final, y = _forward(plan, params, x, state, varying, constant, save=False)
    return final, (y, None)

  if plan.memory == "sqrt":
    run_chunk = jax.checkpoint(run_chunk)
  state, (y, _) = _scan_chunks(run_chunk, state, (x, varying), plan.chunk)
  return y, state


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def run_fused(plan, params, x, state, aside):
  """The same with the backward pass below."""
  return run_autodiff(plan._replace(memory="full"), params, x, state, aside)


def _run_forward(plan, params, x, state, aside):
  varying, constant = _split_constants(aside)

  def run_chunk(state, steps, _):
    x, varying = steps
    final, (y, *saved) = _forward(
      plan, params, x, state, varying, constant, save=True
    )
    if plan.memory == "sqrt":
      return final, ((y, None), state)
    return final, ((y, saved), None)

  final, ((y, saved), starts) = _scan_chunks(
    run_chunk, state, (x, varying), plan.chunk
  )
  return (y, final), (params, x, aside, saved, starts)


def _run_backward(plan, kept, cotangents):
  params, x, aside, saved, starts = kept
  dy, dstate = cotangents
  cell, pointwise = plan.cell, _pointwise(params)
  varying, constant = _split_constants(aside)
  recurrent = "w_h" in params
  if recurrent:
    # Once, not in every step.
    w_h_transposed = params["w_h"].astype(plan.dtype).mT

  def step(carry, inputs):
    dstate, dpointwise = carry
    dy, before, z, varying = inputs
    aside = _merge(varying, constant)
    _, vjp = jax.vjp(
      lambda p, z, s: _step(plan, p, z, s, aside), pointwise, z, before
    )
    dp, dz, dbefore = vjp((dstate, dy))
    if recurrent:
      dzh = dz if cell.sums else dz[1]
      dr = recurrent_product(dzh, w_h_transposed)
      _, vjp = jax.vjp(
        lambda p, s: _recurrent_input(plan, p, s, aside), pointwise, before
      )
      dp_input, dbefore_input = vjp(dr)
      dp, dbefore = _add(dp, dp_input), _add(dbefore, dbefore_input)
    if aside.reset is not None:
      zeros = jax.tree.map(jnp.zeros_like, dbefore)
      dbefore = _where(aside.reset, zeros, dbefore)
    return (dbefore, _add(dpointwise, dp)), dz

  def run_chunk(carry, steps, start):
    dstate, dparams = carry
    x, dy, varying, saved = steps
    if plan.memory == "sqrt":
      _, (_, *saved) = _forward(
        plan, params, x, start, varying, constant, save=True
      )
    before, z = saved
    (dstate, dpointwise), dz = lax.scan(
      step,
      (dstate, jax.tree.map(jnp.zeros_like, pointwise)),
      (dy, before, z, varying),
      reverse=True,
      unroll=plan.unroll,
    )
    dzx, dzh = (dz, dz) if cell.sums or not recurrent else dz
    _, vjp = jax.vjp(cell.project, params, x)
    dchunk, dx = vjp(dzx)
    dchunk |= {k: _add(dchunk[k], dpointwise[k]) for k in pointwise}
    if recurrent:
      r = _recurrent_input(plan, pointwise, before, _merge(varying, constant))
      dchunk["w_h"] += recurrent_gradient(
        r.astype(plan.dtype), dzh, params["w_h"]
      )
    return (dstate, _add(dparams, dchunk)), (dx, None)

  zeros = jax.tree.map(jnp.zeros_like, params)
  (dstate, dparams), (dx, _) = _scan_chunks(
    run_chunk,
    (dstate, zeros),
    (x, dy, varying, saved),
    plan.chunk,
    starts,
    reverse=True,
  )
  return dparams, dx, dstate, None


run_fused.defvjp(_run_forward, _run_backward)


def _add(a, b):
  return jax.tree.map(jnp.add, a, b)


def _scan_chunks(run_chunk, carry, steps, chunk, starts=None, reverse=False):
  """`run_chunk(carry, steps, start)` over pieces of `chunk` time steps.

  It returns the carry and a pair: what there is of every step, [chunk ...], and
  what there is of the piece, [...]. `steps` is [t ...]; `starts` has one entry
  a piece. A last piece that is shorter runs by itself; chunk 0 is one piece.
  """
  time = jax.tree.leaves(steps)[0].shape[0]
  pieces, rest = divmod(time, chunk) if chunk else (0, time)
  whole = pieces * chunk

  def cut(a):
    return a[:whole].reshape(pieces, chunk, *a.shape[1:])

  def join(a):
    return a.reshape(whole, *a.shape[2:])

  def run_whole(carry):
    carry, (of_steps, of_pieces) = lax.scan(
      lambda carry, piece: run_chunk(carry, *piece),
      carry,
      (jax.tree.map(cut, steps), jax.tree.map(lambda a: a[:pieces], starts)),
      reverse=reverse,
    )
    return carry, (jax.tree.map(join, of_steps), of_pieces)

  def run_rest(carry):
    tail = jax.tree.map(lambda a: a[whole:], steps)
    start = jax.tree.map(lambda a: a[pieces], starts)
    carry, (of_steps, of_piece) = run_chunk(carry, tail, start)
    return carry, (of_steps, jax.tree.map(lambda a: a[None], of_piece))

  if not rest:
    return run_whole(carry)
  if not pieces:
    return run_rest(carry)
  if reverse:
    carry, last = run_rest(carry)
    carry, first = run_whole(carry)
  else:
    carry, first = run_whole(carry)
    carry, last = run_rest(carry)
  return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, last)
