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

from lstm_jax.array_types import Array, Bool, Float, Params, PyTree
from lstm_jax.cells.base import Cell, is_symbols
from lstm_jax.cells.short_repr import short
from lstm_jax.cells.time_chunks import scan_chunks
from lstm_jax.recurrence import lanes
from lstm_jax.recurrence.products import (
  is_joint,
  piece_gradients,
  recurrent_product,
  split_gradients,
  step_gradients,
  zero_gradients,
)

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


class StepControls(NamedTuple):
  """What a step obeys besides its inputs; never differentiated."""

  mask: Bool[Array, "b t"] | None
  reset: Bool[Array, "b t"] | None
  noise: Noise


class ScanPlan(NamedTuple):
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


def _split_constants(controls):
  """What changes with time, and what is the same at every step ([b 1 ...])."""

  def constant(a):
    return a.shape[1] == 1

  varying = jax.tree.map(lambda a: None if constant(a) else a, controls)
  fixed = jax.tree.map(lambda a: a[:, 0] if constant(a) else None, controls)
  return varying, fixed


def _merge(varying, constant):
  return jax.tree.map(
    lambda v, c: c if v is None else v,
    varying,
    constant,
    is_leaf=lambda leaf: leaf is None,
  )


def _pointwise(params):
  return {k: v for k, v in params.items() if k not in _MATRICES}


def _context_argument(context):
  """Only cells that take a context have the argument."""
  return {} if context is None else {"context": context}


def _state_before(plan, state, controls):
  """The state that a step starts from."""
  if controls.reset is None:
    return state
  leaf = jax.tree.leaves(state)[0]
  fresh = plan.cell.initial_state(leaf.shape[0], leaf.dtype)
  return _where(controls.reset, fresh, state)


def _recurrent_input(plan, pointwise, before, context, controls):
  r = plan.cell.recurrent_input(pointwise, before, **_context_argument(context))
  factor = controls.noise.recurrent
  return r if factor is None else r * factor


def _step(plan, pointwise, z, before, context, controls):
  """The state after a step, and what it gives out."""
  new = plan.cell.step(
    pointwise, z, before, controls.noise.step, **_context_argument(context)
  )
  if controls.noise.hold is not None:
    new = jax.tree.map(
      lambda keep, old, new: keep * old + (1 - keep) * new,
      controls.noise.hold,
      before,
      new,
    )
  if controls.mask is not None:
    new = _where(controls.mask, new, before)
  if plan.return_states:
    return new, new
  y = plan.cell.output(new).astype(plan.dtype)
  if controls.mask is not None:
    y = _where(controls.mask, y, jnp.zeros_like(y))
  return new, y


def _swap(tree):
  """[b t ...] to [t b ...] and back."""
  return jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), tree)


def _scan(plan, step, shared, carry, steps, reverse=False):
  """`lax.scan` of (shared, carry, x) -> (carry, y)."""

  def run(step, shared, carry, steps):
    return lax.scan(
      functools.partial(step, shared),
      carry,
      steps,
      reverse=reverse,
      unroll=plan.unroll,
    )

  if plan.tiny:
    run = lanes.put_trials_last(run)
  return run(step, shared, carry, steps)


def _make_forward(plan, params, context, constant, save):
  """(state, (x, varying) [b t ...]) -> state and, of each step [t b ...], its
  output and (if `save`) what the backward pass needs: the state before the step
  and the gate inputs."""
  cell = plan.cell
  if recurrent := "w_h" in params:
    params = params | {"w_h": params["w_h"].astype(plan.dtype)}

  def step(shared, state, inputs):
    (params, context, constant), (zx, varying) = shared, inputs
    pointwise = _pointwise(params)
    if plan.project_inside:
      zx = cell.project(params, zx)
    controls = _merge(varying, constant)
    before = _state_before(plan, state, controls)
    z = zx
    if recurrent:
      r = _recurrent_input(plan, pointwise, before, context, controls)
      zh = recurrent_product(r, params["w_h"])
      z = zx + zh if cell.adds_products else (zx, zh)
    new, y = _step(plan, pointwise, z, before, context, controls)
    return new, ((y, before, z) if save else y)

  def forward(state, steps):
    x, varying = _swap(steps)
    zx = x if plan.project_inside else cell.project(params, x)
    return _scan(plan, step, (params, context, constant), state, (zx, varying))

  return forward


def run_autodiff(
  plan: ScanPlan,
  params: Params,
  x: Any,
  state: Any,
  context: Any,
  controls: Any,
):
  """Outputs [b t ...] and final state; JAX differentiates the scan."""
  varying, constant = _split_constants(controls)
  forward = _make_forward(plan, params, context, constant, save=False)

  def forward_chunk(state, steps, _):
    final, y = forward(state, steps)
    return final, _swap(y), None

  if plan.memory == "sqrt":
    forward_chunk = jax.checkpoint(forward_chunk)
  state, y, _ = scan_chunks(forward_chunk, state, (x, varying), plan.chunk)
  return y, state


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def run_fused(
  plan: ScanPlan,
  params: Params,
  x: Any,
  state: Any,
  context: Any,
  controls: Any,
):
  """The same with the backward pass below."""
  plan = plan._replace(memory="full")
  return run_autodiff(plan, params, x, state, context, controls)


def _run_forward(plan, params, x, state, context, controls):
  varying, constant = _split_constants(controls)
  forward = _make_forward(plan, params, context, constant, save=True)

  def saving_chunk(state, steps, _):
    final, (y, *saved) = forward(state, steps)
    return final, _swap(y), state if plan.memory == "sqrt" else saved

  final, y, kept = scan_chunks(saving_chunk, state, (x, varying), plan.chunk)
  return (y, final), (params, x, context, controls, kept)


def _make_backward_step(plan, recurrent, in_step):
  """One step of the backward scan: the cotangent of the state moves on, sums
  grow, and dz is written down; `in_step` it is dx, and dz joins the sums."""
  cell = plan.cell

  def step(shared, carry, inputs):
    params, context, constant, w_h_transposed = shared
    pointwise = _pointwise(params)
    dstate, sums, dcontext = carry
    x, dy, before, z, varying = inputs
    controls = _merge(varying, constant)
    _, vjp = jax.vjp(
      lambda *a: _step(plan, *a, controls=controls),
      *(pointwise, z, before, context),
    )
    dp, dz, *dread = vjp((dstate, dy))
    r = None
    if recurrent:
      dr = recurrent_product(
        dz if cell.adds_products else dz[1], w_h_transposed
      )
      r, vjp = jax.vjp(
        lambda *a: _recurrent_input(plan, *a, controls=controls),
        *(pointwise, before, context),
      )
      dp_input, *dread_input = vjp(dr)
      dp, dread = _add(dp, dp_input), _add(dread, dread_input)
    dbefore, dcontext_here = dread
    if controls.reset is not None:
      zeros = jax.tree.map(jnp.zeros_like, dbefore)
      dbefore = _where(controls.reset, zeros, dbefore)
    if in_step:
      dweights, dz = step_gradients(cell, params, x, r, dz)
      dp = _add_named(dweights, dp)
    return (dbefore, _add(sums, dp), _add(dcontext, dcontext_here)), dz

  return step


def _run_backward(plan, residuals, cotangents):
  params, x, context, controls, kept = residuals
  dy, dstate = cotangents
  cell, pointwise = plan.cell, _pointwise(params)
  varying, constant = _split_constants(controls)
  recurrent = "w_h" in params
  # Tiny matrices are summed up step by step as well: a product is not worth it.
  in_step = plan.tiny and not is_symbols(x)
  joint = is_joint(cell, params, x)
  forward = _make_forward(plan, params, context, constant, save=True)
  step = _make_backward_step(plan, recurrent, in_step)
  w_h_transposed = None
  if recurrent:
    # Once: a product with a transposed matrix is slower, at every step.
    w_h_transposed = params["w_h"].astype(plan.dtype).mT
  summed = params if in_step else pointwise
  shared = summed, context, constant, w_h_transposed

  def backward_chunk(carry, steps, saved):
    *carry, dweights = carry
    x, dy, varying = steps
    if plan.memory == "sqrt":
      _, (_, *saved) = forward(saved, (x, varying))
    x, dy, varying = _swap(steps)
    before, z = saved
    inputs = (x if in_step else None, dy, before, z, varying)
    carry, dz = _scan(plan, step, shared, tuple(carry), inputs, reverse=True)
    if in_step:
      return (*carry, dweights), _swap(dz), None  # it is dx
    r = None
    if recurrent:
      here = _merge(varying, constant)
      r = _recurrent_input(plan, pointwise, before, context, here)
    new, dx = piece_gradients(cell, params, x, r, dz, joint)
    return (*carry, _add(dweights, new)), _swap(dx), None

  sums, dcontext = jax.tree.map(jnp.zeros_like, (summed, context))
  dweights = {} if in_step else zero_gradients(params, joint)
  (dstate, sums, dcontext, dweights), dx, _ = scan_chunks(
    backward_chunk,
    (dstate, sums, dcontext, dweights),
    (x, dy, varying),
    plan.chunk,
    kept,
    reverse=True,
  )
  if not in_step:
    dweights = split_gradients(params, dweights, joint)
  return _add_named(dweights, sums), dx, dstate, dcontext, None


run_fused.defvjp(_run_forward, _run_backward)


def _add(a, b):
  return jax.tree.map(jnp.add, a, b)


def _add_named(a, b):
  """Sums of two dictionaries, either of which may lack a name."""
  both = {name: a[name] + b[name] for name in a if name in b}
  return a | b | both
