"""Many updates in one program, and many trials side by side.

A trial is a run of its own: parameters, data, stopping rule and count of
updates. Trials are a leading axis of the train state, mapped with `jax.vmap`,
so that a table of ten small networks costs little more than one of them. On a
CPU networks with batches of several rows are computed in turn, in the same
program: XLA's batched matrix products are slower there than one after the
other. A run's numbers do not depend on how many of its devices share them.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.sharding import Mesh, NamedSharding

from lstm_jax.metrics.sums import Sums
from lstm_jax.parallel.rows import COPIES, ROWS, place, split_rows
from lstm_jax.recurrence import lanes
from lstm_jax.tasks.base import Task
from lstm_jax.training import stopping
from lstm_jax.training.state import TrainState
from lstm_jax.training.step import StepMetrics, TrainStep
from lstm_jax.training.stopping import StopConfig


def make_call(
  structure: Any,
  task: Task,
  update: TrainStep,
  stop: StopConfig,
  steps_per_call: int,
  *,
  survive: bool = False,
) -> TrainStep:
  """So many updates in a loop.

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
      memory, done = stopping.observe_sequence(
        stop, state.stop, metrics.sums, new.step
      )
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
    batch, _ = window(data, 0)
    sums = task.loss(model.read(batch.inputs), batch.targets)
    return stopping.observe_set(stop, state.stop, sums, state.step)

  return judge


def stack(states: list[TrainState]) -> TrainState:
  """Trials side by side."""
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def trial(tree: Any, number: int) -> Any:
  """One trial of a tree whose leaves have a leading axis of them."""
  return jax.tree.map(lambda a: a[number], tree)


def run_in_turn(state: Any, platform: str) -> bool:
  """Whether trials of layers with these states [b h] are computed one after the
  other instead of under `vmap`: batches of several rows on a CPU.

  It is faster from 16 units on (1.2 to 1.5 times), and slower below; and the
  last bits of a batched product depend on how many trials a device has.
  """
  return platform == "cpu" and any(
    a.shape[0] > 1 for a in jax.tree.leaves(state)
  )


def devices_for(trials: int, devices: int, in_turn: bool) -> int:
  """How many of the devices share so many trials, each as many as the others.

  Side by side at least two are on each: XLA computes a single one otherwise,
  and its last bits would depend on the number of devices.
  """
  most = min(devices, trials if in_turn else max(trials // 2, 1))
  return next(n for n in range(most, 0, -1) if trials % n == 0)


def make_turns_call(call: TrainStep, mesh: Mesh | None) -> TrainStep:
  """`call` for one trial after the other, without those that are done.

  mesh: devices that share the trials.
  """

  def run(state: TrainState, data):
    def one(state):
      shapes = jax.eval_shape(lambda: call(state, data)[1])
      blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
      return lax.cond(
        state.done, lambda state: (state, blank), lambda s: call(s, data), state
      )

    return lax.map(one, state)

  return jax.jit(split_rows(run, mesh, (ROWS, COPIES), (ROWS, ROWS)))


def make_trials_call(
  call: TrainStep, mesh: Mesh | None, by_eights: bool = False
) -> TrainStep:
  """`call` for all trials at once, without those that are done.

  Trials that are done are left out as soon as half of them, or of what is left,
  would do: the program is compiled for n, n/2, n/4, ... trials. How many run
  is a function of the state alone, so that a resumed run repeats its numbers.

  mesh: devices that share the trials; the first one has them where few are
    left.
  by_eights: see `_by_eights`.
  """
  devices = mesh.size if mesh else 1
  mapped = jax.vmap(call, in_axes=(0, None))
  if by_eights:
    mapped = _by_eights(mapped)
  shared = split_rows(mapped, mesh, (ROWS, COPIES), (ROWS, ROWS))
  run_one, run_shared = jax.jit(mapped), jax.jit(shared)
  shares = NamedSharding(mesh, ROWS) if mesh else None

  @jax.jit
  def take(state, rows):
    return jax.tree.map(lambda a: a[rows], state)

  @functools.partial(jax.jit, out_shardings=shares)
  def put(state, rows, part):
    return jax.tree.map(lambda a, b: a.at[rows].set(b), state, part)

  def run_part(part, data):
    count = len(part.done)
    if mesh and (count % devices or count < 2 * devices):
      part = jax.device_put(part, mesh.devices.flat[0])
      return place(run_one(part, data), mesh, COPIES)
    return run_shared(place(part, mesh, ROWS), data)

  def run_active(state, data):
    done = np.asarray(state.done)
    width = choose_width(len(done), int((~done).sum()), devices)
    if width == len(done):
      return run_shared(state, data)
    rows = np.argsort(done, kind="stable")[:width]  # those not done come first
    part, metrics = run_part(take(state, rows), data)
    blank = jax.tree.map(
      lambda a: jnp.zeros((len(done), *a.shape[1:]), a.dtype), metrics
    )
    return put(state, rows, part), put(blank, rows, metrics)

  return run_active


def _by_eights(mapped: TrainStep) -> TrainStep:
  """`mapped` for groups of eight trials, the last one filled up with repeats.

  `lanes` computes eight of them in the time of five, and a group is the
  same program however many there are, so that its numbers are too.
  """
  eight = lanes.LANES

  def run(state, data):
    n = len(state.done)
    if n == 1:
      return mapped(state, data)
    rows = jnp.arange(n + -n % eight).reshape(-1, eight) % n
    groups = jax.tree.map(lambda a: a[rows], state)
    results = lax.map(lambda group: mapped(group, data), groups)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:n], results)

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
    int(np.sum(metrics.skipped)),
  )
