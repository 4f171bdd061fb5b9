"""SIGTERM, SIGHUP and Ctrl-C as something that the training loop asks for."""

import contextlib
import errno
import os
import signal
import sys

from jax.experimental.multihost_utils import reached_preemption_sync_point

from lstm_jax import processes


class StopSignal:
  """Remembers the first signal; a SIGINT after it interrupts at once.

  `number` is None until a signal arrives. Use as a context manager. What was
  ignored before, as nohup does with SIGHUP, stays ignored.

  Of several processes all must stop at the same step. There SIGTERM belongs to
  JAX, which tells the others and chooses the step; the other signals become it.
  """

  def __init__(self):
    self.number = None
    self._asked = 0
    self._several = processes.count() > 1

  def __enter__(self):
    caught = [signal.SIGHUP, signal.SIGINT]
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

  def wanted(self) -> bool:
    """Whether to stop now; asked once before every call of updates."""
    self._asked += 1
    if self._several:
      return reached_preemption_sync_point(self._asked)
    return self.number is not None

  def _receive(self, number, frame):
    if self.number is None:
      self.number = number
      if number == signal.SIGHUP:
        _print_nowhere()
      with contextlib.suppress(OSError):
        print(
          "\nstopping; Ctrl-C stops at once, without saving", file=sys.stderr
        )
      if self._several:
        os.kill(os.getpid(), signal.SIGTERM)
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
