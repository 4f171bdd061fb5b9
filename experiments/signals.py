"""Signals and Ctrl-C as something that the training loop asks for."""

import contextlib
import errno
import os
import signal
import sys

from jax.experimental.multihost_utils import reached_preemption_sync_point

from experiments.command_line import EXIT_SAVED_ON_SIGINT, EXIT_SAVED_ON_SIGTERM
from lstm_jax.parallel import processes

# What batch systems send some time before they end a job.
BEFORE_THE_END = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)


class Stopped(Exception):
  """What `StopSignal.check` raises."""


class StopSignal:
  """Remembers the first signal; a SIGINT after it interrupts at once.

  `number` is None until a signal arrives. Use as a context manager. What was
  ignored before, as nohup does with SIGHUP, stays ignored.

  Where `can_save` is False there is nothing to lose yet, and a signal ends the
  process at once, with the exit code that it has later too.

  Of several processes all must stop at the same step. There SIGTERM belongs to
  JAX, which tells the others and chooses the step; the other signals become it.
  """

  def __init__(self, can_save: bool = True):
    self.number, self.can_save = None, can_save
    self._asked = 0
    self._several = processes.process_count() > 1

  def __enter__(self):
    caught = [signal.SIGHUP, signal.SIGINT, *BEFORE_THE_END]
    if not self._several:
      caught.append(signal.SIGTERM)
    self._before = {
      number: signal.signal(number, self._receive)
      for number in caught
      if signal.getsignal(number) != signal.SIG_IGN
    }
    return self

  def __exit__(self, *error):
    for number, handler in self._before.items():
      signal.signal(number, handler)

  @property
  def exit_code(self) -> int:
    interrupted = self.number == signal.SIGINT
    return EXIT_SAVED_ON_SIGINT if interrupted else EXIT_SAVED_ON_SIGTERM

  def wanted(self) -> bool:
    """Whether to stop now; asked before every call of updates and after every
    window of a validation."""
    self._asked += 1
    if self._several:
      return reached_preemption_sync_point(self._asked)
    return self.number is not None

  def check(self):
    """Raises Stopped where it is time to stop."""
    if self.wanted():
      raise Stopped

  def _receive(self, number, frame):
    if self.number is None:
      self.number = number
      if number == signal.SIGHUP:
        _print_nowhere()
      text = "\nstopping; Ctrl-C stops at once, without saving"
      if not self.can_save and not self._several:
        text = "\nstopped before any update; the same command starts again"
      with contextlib.suppress(OSError):
        print(text, file=sys.stderr)
      if self._several:
        os.kill(os.getpid(), signal.SIGTERM)
      elif not self.can_save:
        sys.exit(self.exit_code)
    elif number == signal.SIGINT:
      raise KeyboardInterrupt


@contextlib.contextmanager
def outliving_terminal():
  """A block, or function, that prints. Where the terminal has closed nothing
  more is shown; it is left to SIGHUP, which follows, to end the run."""
  try:
    yield
  except OSError as error:
    if error.errno != errno.EIO:
      raise
    _print_nowhere()


def _print_nowhere():
  nowhere = os.open(os.devnull, os.O_WRONLY)
  for stream in (sys.stdout, sys.stderr):
    os.dup2(nowhere, stream.fileno())
  os.close(nowhere)
