"""A trace of some updates, for TensorBoard (xprof) and ui.perfetto.dev."""

import contextlib
import pathlib
from collections.abc import Iterator

import jax

from experiments.progress import ProgressReport
from lstm_jax.errors import ConfigError
from lstm_jax.run.build import Experiment

NAME = "profile"  # in the run directory


def parse_steps(text: str, last: int) -> range | None:
  """The updates of --profile_steps=FIRST:END; None of an empty text.

  last: the step that the run ends at.

  Raises:
    ConfigError: it is not of that form, or not within the run.
  """
  if not text:
    return None
  first, colon, end = text.partition(":")
  if not (colon and first.isdecimal() and end.isdecimal()):
    raise ConfigError(
      f"--profile_steps={text}: must be FIRST:END, as 100:110 for the ten"
      " updates after step 100"
    )
  if not 0 <= int(first) < int(end) <= last:
    raise ConfigError(
      f"--profile_steps={text}: must begin before its end, and end by step"
      f" {last}, the run's last"
    )
  return range(int(first), int(end))


@contextlib.contextmanager
def profiled(
  experiment: Experiment,
  steps: range | None,
  step: int,
  path: pathlib.Path,
  report: ProgressReport,
) -> Iterator[Experiment]:
  """The experiment, whose train_call traces these steps.

  Whole calls are traced, so that there may be a few steps more.

  step: the run's, at the start.
  """
  if steps is None:
    yield experiment
    return
  size = experiment.steps_per_call
  first, end = steps.start // size * size, -(-steps.stop // size) * size
  if step >= end:  # no error: the same command goes on with a stopped run
    report.note(f"the run is beyond step {steps.stop}; nothing is traced")
  began = None  # the step at which the trace that is under way did

  def stop():
    nonlocal began
    jax.profiler.stop_trace()
    report.note(
      f"a trace of the updates from step {began} to {step} is in {path / NAME};"
      " TensorBoard with xprof shows it, and ui.perfetto.dev the .json.gz in it"
    )
    began = None

  def call(state, data):
    nonlocal began, step
    if began is None and first <= step < end:
      jax.profiler.start_trace(path / NAME)
      began = step
    with jax.profiler.StepTraceAnnotation("update", step_num=step):
      state, metrics = experiment.train_call(state, data)
    step += size
    if step == end:
      jax.block_until_ready((state, metrics))
      stop()
    return state, metrics

  try:
    yield experiment._replace(train_call=call)
  finally:
    if began is not None:
      stop()
