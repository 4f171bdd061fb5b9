"""Metrics of the updates: read late, checked, summed, shown and written."""

import math
import time

from lstm_jax.errors import RunError
from lstm_jax.metrics import Sums


class Meter:
  """Looks at each update while the next one is being computed.

  It shows every update, writes a line of metrics at each log interval, and
  stops the run where a loss is no longer finite.
  """

  def __init__(self, config, task, writer, report, checkpointer):
    self._config, self._task = config, task
    self._writer, self._report = writer, report
    self._checkpointer = checkpointer
    self._tokens = config.train.batch_size * config.task.window
    self._waiting = None  # (step, metrics)
    self._compiling = True  # the first update's time is not training
    self._clear()

  def put(self, step: int, metrics):
    """Takes the metrics of an update that may not be finished yet."""
    self.flush()
    self._waiting = step, metrics

  def flush(self):
    """Waits for the last update and looks at it.

    Raises:
      RunError: its loss or gradient is not finite.
    """
    if self._waiting is None:
      return
    (step, metrics), self._waiting = self._waiting, None
    gradient_norm = float(metrics.gradient_norm)
    new = Sums(float(metrics.sums.nats), float(metrics.sums.weight))
    for name, value in (("loss", new.nats), ("gradient norm", gradient_norm)):
      if not math.isfinite(value):
        self.fail(step, f"the {name} is {value}")
    self._sums += new
    if self._compiling:
      self._compiling, self._start = False, time.monotonic()
    else:
      self._updates += 1
    log = (
      step % self._config.run.log_every == 0 or step == self._config.train.steps
    )
    task = self._task
    loss = task.scores(self._sums)[task.headline]
    speed = math.nan
    if self._updates:
      elapsed = time.monotonic() - self._start
      speed = self._updates * self._tokens / elapsed
    self._report.update(step, loss, speed, log=log)
    if log:
      self._writer.write(
        step,
        **{
          "epoch": step / task.steps_per_epoch,
          f"train/{task.headline}": loss,
          f"{task.token}s_per_second": speed,
          "gradient_norm": gradient_norm,
          "learning_rate": float(metrics.learning_rate),
        },
      )
      self._clear()

  def pause(self, seconds: float):
    """Takes time that was not spent on updates out of the speed."""
    self._start += seconds

  def _clear(self):
    self._sums, self._updates = Sums(0.0, 0.0), 0
    self._start = time.monotonic()

  def fail(self, step: int, what: str):
    """Stops the run.

    Raises:
      RunError: names the step, what is wrong and the last good checkpoint.
    """
    self._checkpointer.wait()
    last = self._checkpointer.latest_step()
    raise RunError(
      f"step {step}: {what}; the last good checkpoint is"
      f" {'none' if last is None else last}; a lower"
      " --config.optimizer.learning_rate or clip_norm may help, in another"
      " --workdir"
    )
