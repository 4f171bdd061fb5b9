"""Many updates in one program, and many trials side by side.

A trial is a run of its own: parameters, data, stopping rule and count of
updates. Trials are a leading axis of the train state, mapped with `jax.vmap`,
so that a table of ten small networks costs little more than one of them. On a
CPU networks of some width are computed in turn, in the same program: XLA's
batched matrix products are slower there than one after the other.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.sharding import Mesh

from lstm_jax import trials_last
from lstm_jax.metrics import Sums
from lstm_jax.tasks.base import Task
from lstm_jax.training import stopping
from lstm_jax.training.data_parallel import COPIES, ROWS, split_rows
from lstm_jax.training.stopping import StopConfig
from lstm_jax.training.train_state import StepMetrics, TrainState


def make_call(
  structure: Any,
  task: Task,
  update: Callable,
  stop: StopConfig,
  steps_per_call: int,
  *,
  survive: bool = False,
) -> Callable:
  """So many updates in a loop: (state, data) -> (state, metrics).

  A state that is done stays as it is, and its metrics are 0. They are summed
  over the updates; norm and rate are those of the last.

  survive: a loss that is not finite ends the trial, before the update, instead
    of spoiling its parameters.
  """
  if steps_per_call == 1 and stop.name == "never" and not survive:
    return update
  judge = _make_judge(structure, task, stop) if stop.name == "set" else None

  def guarded(state, data):
    new, metrics = update(state, data)
    if stop.name == "recent":
      memory, done = stopping.observe(stop, state.stop, metrics.sums, new.step)
      skipped = metrics.skipped > 0  # its sums are 0, as if it were right
      memory = stopping.freeze(skipped, state.stop, memory)
      new = new.replace(stop=memory, done=done & ~skipped)
    failed = jnp.zeros((), bool)
    if survive:
      failed = ~jnp.isfinite(metrics.sums.nats + metrics.gradient_norm)
      failed &= ~state.done
    # The rule's memory is large, and of no use once a trial is done.
    memory, new = new.stop, new.replace(stop=None)
    ended = state.done | failed
    new = stopping.freeze(ended, state.replace(stop=None), new)
    met = None
    if memory is not None:
      met = jnp.where(ended, state.stop.met, memory.met)
      memory = memory._replace(met=met)
    metrics = jax.tree.map(lambda a: jnp.where(ended, 0, a), metrics)
    return new.replace(stop=memory, done=new.done | failed), metrics

  def call(state: TrainState, data) -> tuple[TrainState, StepMetrics]:
    state, metrics = lax.scan(
      lambda state, _: guarded(state, data), state, length=steps_per_call
    )
    sums = jax.tree.map(lambda a: a.sum(0), metrics.sums)
    last = jax.tree.map(lambda a: a[-1], metrics)
    if judge:
      memory, done = judge(state)
      memory = stopping.freeze(state.done, state.stop, memory)
      state = state.replace(stop=memory, done=state.done | done)
    return state, last._replace(
      sums=sums, culprit=metrics.culprit.max(0), skipped=metrics.skipped.sum(0)
    )

  return call


def _make_judge(structure, task, stop):
  """Applies the rule to the first sequences of the validation split."""
  window, data, _ = task.evaluation("valid", stop.sequences)

  def judge(state):
    model = nnx.merge(structure, state.params)
    batch = window(data, 0)
    sums = task.loss(model(batch.inputs, mask=batch.mask), batch)
    return stopping.check(stop, state.stop, sums, state.step)

  return judge


def stack(states: list[TrainState]) -> TrainState:
  """Trials side by side."""
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def trial(tree: Any, number: int) -> Any:
  """One trial of a tree whose leaves have a leading axis of them."""
  return jax.tree.map(lambda a: a[number], tree)


def gain_in_turn(state: Any, platform: str) -> bool:
  """Whether trials of layers with these states [b h] are faster one after the
  other than under `vmap`: 1.2 to 1.4 times on a CPU from 32 units on, where
  with 8 or 16 there is no difference."""
  shapes = [a.shape for a in jax.tree.leaves(state)]
  wide = any(shape[0] > 1 and shape[-1] >= 32 for shape in shapes)
  return wide and platform == "cpu"


def make_turns_call(call: Callable, mesh: Mesh | None) -> Callable:
  """`call` for one trial after the other, without those that are done.

  mesh: devices that share the trials, if they divide.
  """

  def run(state: TrainState, data):
    def one(state):
      shapes = jax.eval_shape(lambda: call(state, data)[1])
      blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
      return lax.cond(
        state.done, lambda state: (state, blank), lambda s: call(s, data), state
      )

    return lax.map(one, state)

  shared = split_rows(run, mesh, (ROWS, COPIES), (ROWS, ROWS))
  run_one, run_shared = jax.jit(run), jax.jit(shared)

  def run_all(state, data):
    uneven = mesh and len(state.done) % mesh.size
    return (run_one if uneven else run_shared)(state, data)

  return run_all


def make_trials_call(
  call: Callable, mesh: Mesh | None, by_eights: bool = False
) -> Callable:
  """`call` for all trials at once, without those that are done.

  Trials that are done are left out as soon as half of them, or of what is left,
  would do: the program is compiled for n, n/2, n/4, ... trials. How many run
  is a function of the state alone, so that a resumed run repeats its numbers.

  mesh: devices that share the trials, if there are enough of them.
  by_eights: see `_fill_lanes`.
  """
  devices = mesh.size if mesh else 1
  mapped = jax.vmap(call, in_axes=(0, None))
  if by_eights:
    mapped = _fill_lanes(mapped)
  shared = split_rows(mapped, mesh, (ROWS, COPIES), (ROWS, ROWS))
  run_one, run_shared = jax.jit(mapped), jax.jit(shared)

  def run(state, data, width):
    return (run_one if width % devices else run_shared)(state, data)

  @jax.jit
  def take(state, rows):
    return jax.tree.map(lambda a: a[rows], state)

  @jax.jit
  def put(state, rows, part):
    return jax.tree.map(lambda a, b: a.at[rows].set(b), state, part)

  def run_active(state, data):
    done = np.asarray(state.done)
    width = choose_width(len(done), int((~done).sum()), devices)
    if width == len(done):
      return run(state, data, width)
    rows = np.argsort(done, kind="stable")[:width]  # those not done come first
    part, metrics = run(take(state, rows), data, width)
    blank = jax.tree.map(
      lambda a: jnp.zeros((len(done), *a.shape[1:]), a.dtype), metrics
    )
    return put(state, rows, part), put(blank, rows, metrics)

  return run_active


def _fill_lanes(mapped):
  """Repeats trials up to a number that `trials_last` computes in vectors: eight
  take the time of five."""

  def run(state, data):
    n = len(state.done)
    rows = jnp.arange(n + -n % trials_last.LANES) % n
    if n in (1, len(rows)):
      return mapped(state, data)
    results = mapped(jax.tree.map(lambda a: a[rows], state), data)
    return jax.tree.map(lambda a: a[:n], results)

  return run


def choose_width(trials: int, active: int, devices: int) -> int:
  """How many trials a program is compiled for: the fewest of trials/2^k, made
  a multiple of the devices, that hold all active ones."""
  width = trials
  while width > 1:
    half = -(-width // 2)
    if half > devices:
      half = -(-half // devices) * devices
    if half < active or half == width:
      break
    width = half
  return width


def merge_metrics(metrics: StepMetrics) -> StepMetrics:
  """One number for all trials: sums over those that ran."""
  return StepMetrics(
    Sums(*jax.tree.map(lambda a: np.sum(a), tuple(metrics.sums))),
    np.max(metrics.gradient_norm),
    np.max(metrics.learning_rate),
    np.max(metrics.culprit),
    np.sum(metrics.skipped),
  )
