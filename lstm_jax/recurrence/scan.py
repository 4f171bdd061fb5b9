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

from lstm_jax.array_types import Array, Bool, Float, PyTree
from lstm_jax.cells.base import Cell, is_symbols
from lstm_jax.cells.short_repr import short
from lstm_jax.cells.time_chunks import scan_chunks
from lstm_jax.recurrence import lanes, weight_gradients
from lstm_jax.recurrence.products import recurrent_product

_MATRICES = ("w_x", "w_h", "b")  # what `step` does not see


class Noise(NamedTuple):
  """Random factors of a sequence, drawn beforehand from explicit keys.

  Each array is [b t ...], or [b 1 ...] for the same factor at every step. None
  is no noise; `layers/recurrent_dropout.py` draws the published kinds.
  """

  recurrent: Float[Array, "b t r"] | None = None  # times the recurrent input
  step: PyTree = None  # handed to the cell's `step`
  hold: PyTree = None  # like the state: the part of it that is kept
  __repr__ = short


class Aside(NamedTuple):
  """What a step reads besides its inputs; never differentiated."""

  mask: Bool[Array, "b t"] | None
  reset: Bool[Array, "b t"] | None
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
  tiny: bool  # one row and a handful of units; see `lanes.py`


def _where(flags, a, b):
  """a where a flag [b] is set, else b; for every leaf [b ...]."""
  return jax.tree.map(
    lambda x, y: jnp.where(flags.reshape(-1, *[1] * (x.ndim - 1)), x, y), a, b
  )


def _split_constants(aside):
  """What changes with time, and what is the same at every step ([b 1 ...])."""
  varying = jax.tree.map(lambda a: None if a.shape[1] == 1 else a, aside)
  constant = jax.tree.map(lambda a: a[:, 0] if a.shape[1] == 1 else None, aside)
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


def _swap(tree):
  """[b t ...] to [t b ...] and back."""
  return jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), tree)


def _make_forward(plan, params, constant, save):
  """(state, (x, varying) [b t ...]) -> state and, of each step [t b ...], its
  output and (if `save`) what the backward pass needs: the state before the step
  and the gate inputs."""
  cell = plan.cell
  if recurrent := "w_h" in params:
    params = params | {"w_h": params["w_h"].astype(plan.dtype)}

  def step(shared, state, inputs):
    (params, constant), (zx, varying) = shared, inputs
    pointwise = _pointwise(params)
    if plan.project_inside:
      zx = cell.project(params, zx)
    aside = _merge(varying, constant)
    before = _before(plan, state, aside)
    z = zx
    if recurrent:
      r = _recurrent_input(plan, pointwise, before, aside)
      zh = recurrent_product(r, params["w_h"])
      z = zx + zh if cell.adds_products else (zx, zh)
    new, y = _step(plan, pointwise, z, before, aside)
    return new, ((y, before, z) if save else y)

  def forward(state, steps):
    x, varying = _swap(steps)
    zx = x if plan.project_inside else cell.project(params, x)
    return _scan(plan, step, (params, constant), state, (zx, varying))

  return forward


def _scan(plan, step, shared, carry, steps, reverse=False):
  """`lax.scan` of (shared, carry, x) -> (carry, y)."""
  scan = lanes.scan if plan.tiny else lanes.plain_scan
  return scan(step, shared, carry, steps, reverse=reverse, unroll=plan.unroll)


def run_autodiff(plan, params, x, state, aside):
  """Outputs [b t ...] and final state; JAX differentiates the scan."""
  varying, constant = _split_constants(aside)
  forward = _make_forward(plan, params, constant, save=False)

  def run_chunk(state, steps, _):
    final, y = forward(state, steps)
    return final, _swap(y), None

  if plan.memory == "sqrt":
    run_chunk = jax.checkpoint(run_chunk)
  state, y, _ = scan_chunks(run_chunk, state, (x, varying), plan.chunk)
  return y, state


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def run_fused(plan, params, x, state, aside):
  """The same with the backward pass below."""
  return run_autodiff(plan._replace(memory="full"), params, x, state, aside)


def _run_forward(plan, params, x, state, aside):
  varying, constant = _split_constants(aside)
  forward = _make_forward(plan, params, constant, save=True)

  def run_chunk(state, steps, _):
    final, (y, *saved) = forward(state, steps)
    return final, _swap(y), state if plan.memory == "sqrt" else saved

  final, y, kept = scan_chunks(run_chunk, state, (x, varying), plan.chunk)
  return (y, final), (params, x, aside, kept)


def _run_backward(plan, residuals, cotangents):
  params, x, aside, kept = residuals
  dy, dstate = cotangents
  cell, pointwise = plan.cell, _pointwise(params)
  varying, constant = _split_constants(aside)
  recurrent = "w_h" in params
  # Tiny matrices are summed up step by step as well: a product is not worth it.
  in_step = plan.tiny and not is_symbols(x)
  forward = _make_forward(plan, params, constant, save=True)
  w_h_transposed = None
  if recurrent:
    # Once: a product with a transposed matrix is slower, at every step.
    w_h_transposed = params["w_h"].astype(plan.dtype).mT

  def step(shared, carry, inputs):
    params, constant, w_h_transposed = shared
    pointwise = _pointwise(params)
    dstate, sums = carry
    x, dy, before, z, varying = inputs
    aside = _merge(varying, constant)
    _, vjp = jax.vjp(
      lambda p, z, s: _step(plan, p, z, s, aside), pointwise, z, before
    )
    dp, dz, dbefore = vjp((dstate, dy))
    if recurrent:
      dr = recurrent_product(
        dz if cell.adds_products else dz[1], w_h_transposed
      )
      r, vjp = jax.vjp(
        lambda p, s: _recurrent_input(plan, p, s, aside), pointwise, before
      )
      dp_input, dbefore_input = vjp(dr)
      dp, dbefore = _add(dp, dp_input), _add(dbefore, dbefore_input)
    if aside.reset is not None:
      zeros = jax.tree.map(jnp.zeros_like, dbefore)
      dbefore = _where(aside.reset, zeros, dbefore)
    if in_step:
      dweights, dx = weight_gradients.of_step(
        cell, params, x, r if recurrent else None, dz
      )
      return (dbefore, _add(sums, _add_named(dweights, dp))), dx
    return (dbefore, _add(sums, dp)), dz

  def run_chunk(carry, steps, saved):
    dstate, sums, dweights = carry
    x, dy, varying = steps
    if plan.memory == "sqrt":
      _, (_, *saved) = forward(saved, (x, varying))
    x, dy, varying = _swap(steps)
    before, z = saved
    (dstate, sums), dz = _scan(
      plan,
      step,
      (params if in_step else pointwise, constant, w_h_transposed),
      (dstate, sums),
      (x if in_step else None, dy, before, z, varying),
      reverse=True,
    )
    if in_step:
      return (dstate, sums, dweights), _swap(dz), None  # it is dx
    r = None
    if recurrent:
      r = _recurrent_input(plan, pointwise, before, _merge(varying, constant))
    new, dx = weight_gradients.of_piece(cell, params, x, r, dz)
    return (dstate, sums, _add(dweights, new)), _swap(dx), None

  sums = jax.tree.map(jnp.zeros_like, params if in_step else pointwise)
  blank = {} if in_step else weight_gradients.blank(cell, params, x)
  (dstate, sums, dweights), dx, _ = scan_chunks(
    run_chunk,
    (dstate, sums, blank),
    (x, dy, varying),
    plan.chunk,
    kept,
    reverse=True,
  )
  if not in_step:
    dweights = weight_gradients.unjoin(cell, params, x, dweights)
  return _add_named(dweights, sums), dx, dstate, None


run_fused.defvjp(_run_forward, _run_backward)


def _add(a, b):
  return jax.tree.map(jnp.add, a, b)


def _add_named(a, b):
  """Sums of two dictionaries, either of which may lack a name."""
  both = {name: a[name] + b[name] for name in a if name in b}
  return a | b | both
