"""Optimisers and learning-rate schedules, all of them optax's."""

import dataclasses
import enum
from typing import Any, ClassVar

import jax.numpy as jnp
import optax


class Optimizer(enum.Enum):
  SGD = "sgd"
  MOMENTUM = "momentum"
  ADAM = "adam"
  ADAMW = "adamw"
  RMSPROP = "rmsprop"


class Schedule(enum.Enum):
  CONSTANT = "constant"
  COSINE = "cosine"  # down to final_fraction of the rate at the last step
  STEP = "step"  # times `decay` at every epoch from decay_from_epoch on
  MILESTONES = "milestones"  # times `decay` at each of decay_epochs
  PLATEAU = "plateau"  # times `decay` when validation stops improving


@dataclasses.dataclass(slots=True)
class OptimizerConfig:
  RANGES: ClassVar = {
    "learning_rate": (0, 10**6),
    "warmup_steps": (0, 2**31 - 1),
    "final_fraction": (0, 1),
    "decay": (1e-6, 0.999999),
    "decay_from_epoch": (0, 2**31 - 1),
    "decay_epochs": (1, 2**31 - 1),
    "patience": (1, 2**31 - 1),
    "clip_norm": (0, 10**9),
    "clip_value": (0, 10**9),
    "l2": (0, 10**6),
    "momentum": (0, 0.999999),
    "beta1": (0, 0.999999),
    "beta2": (0, 0.999999),
    "rms_decay": (0, 0.999999),
    "epsilon": (1e-30, 1),
    "weight_decay": (0, 10**6),
  }

  name: Optimizer = Optimizer.ADAM
  # at its highest, after warmup_steps
  learning_rate: float = 1e-3
  # how it goes down from there
  schedule: Schedule = Schedule.CONSTANT
  # steps of linear growth from 0 to the learning rate
  warmup_steps: int = 0
  # cosine: the last step's rate as a fraction of the first's
  final_fraction: float = 0.0
  # step, milestones and plateau: what the rate is multiplied by
  decay: float = 0.5
  # step: the first epoch, counted from 0, with a lower rate
  decay_from_epoch: int = 4
  # milestones: epochs, counted from 0, at whose start the rate goes down
  decay_epochs: tuple[int, ...] = ()
  # plateau: validations without a better score before the rate goes down, at
  # the last of them; torch's ReduceLROnPlateau waits for one more, so that 2
  # here is patience=1 there
  patience: int = 2
  # largest global norm of the gradient; 0 is no clipping
  clip_norm: float = 1.0
  # largest size of each of its numbers, before that; 0 is no clipping
  clip_value: float = 0.0
  # so many times the parameters is added to the clipped gradient
  l2: float = 0.0
  # momentum only
  momentum: float = 0.9
  # adam and adamw
  beta1: float = 0.9
  beta2: float = 0.999
  # rmsprop: decay of the mean square
  rms_decay: float = 0.9
  # adam, adamw and rmsprop
  epsilon: float = 1e-8
  # adamw only
  weight_decay: float = 0.01


def make_schedule(
  config: OptimizerConfig, steps: int, steps_per_epoch: int
) -> optax.Schedule:
  """The learning rate as a function of the number of updates done.

  The plateau schedule's factor is not in it: it depends on validation and is
  kept in the train state.
  """
  rate = config.learning_rate
  after_warmup = max(steps - config.warmup_steps, 1)
  if config.schedule is Schedule.COSINE:
    main = optax.cosine_decay_schedule(
      rate, after_warmup, alpha=config.final_fraction
    )
  elif config.schedule in (Schedule.STEP, Schedule.MILESTONES):

    def main(count, /):  # warm-up steps count as part of their epoch
      epoch = (count + config.warmup_steps) // steps_per_epoch
      times = jnp.maximum(epoch - config.decay_from_epoch + 1, 0)
      if config.schedule is Schedule.MILESTONES:
        times = (epoch >= jnp.array(config.decay_epochs, jnp.int32)).sum()
      # optax's piecewise_constant_schedule multiplies step by step, which
      # rounds otherwise, and unrolls over all epochs there may be.
      return rate * config.decay**times

  else:
    main = optax.constant_schedule(rate)
  if not config.warmup_steps:
    return main
  warmup = optax.linear_schedule(0.0, rate, config.warmup_steps)
  return optax.join_schedules([warmup, main], [config.warmup_steps])


def make_optimizer(
  config: OptimizerConfig, schedule: optax.Schedule
) -> optax.GradientTransformation:
  """Clipping, the pull of `l2`, then the optimiser with its schedule."""
  adam: dict[str, Any] = {
    "b1": config.beta1,
    "b2": config.beta2,
    "eps": config.epsilon,
  }
  match config.name:
    case Optimizer.SGD:
      optimizer = optax.sgd(schedule)
    case Optimizer.MOMENTUM:
      optimizer = optax.sgd(schedule, momentum=config.momentum)
    case Optimizer.ADAM:
      optimizer = optax.adam(schedule, **adam)
    case Optimizer.ADAMW:
      optimizer = optax.adamw(
        schedule, weight_decay=config.weight_decay, **adam
      )
    case Optimizer.RMSPROP:
      # Inside the root 1e-8 would be a floor of 1e-4, above many gradients.
      optimizer = optax.rmsprop(
        schedule,
        decay=config.rms_decay,
        eps=config.epsilon,
        eps_in_sqrt=False,
      )
  before = []
  if config.clip_value:
    before.append(optax.clip(config.clip_value))
  if config.clip_norm:
    before.append(optax.clip_by_global_norm(config.clip_norm))
  if config.l2:
    before.append(optax.add_decayed_weights(config.l2))
  return optax.chain(*before, optimizer) if before else optimizer


def make_plateau(
  config: OptimizerConfig,
) -> optax.GradientTransformationExtraArgs | None:
  """Tracks validation losses; its state's `scale` multiplies the updates."""
  if config.schedule is not Schedule.PLATEAU:
    return None
  return optax.contrib.reduce_on_plateau(
    factor=config.decay, patience=config.patience
  )
