"""SIGTERM, SIGHUP and Ctrl-C as a flag that the training loop looks at."""

import signal
import sys


class StopSignal:
  """Remembers the first signal; a SIGINT after it interrupts at once.

  `number` is None until a signal arrives. Use as a context manager.
  """

  def __init__(self):
    self.number = None

  def __enter__(self):
    self._before = {
      number: signal.signal(number, self._receive)
      for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    }
    return self

  def __exit__(self, *error):
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def _receive(self, number, frame):
    if self.number is None:
      self.number = number
      print("\nstopping; Ctrl-C stops at once, without saving", file=sys.stderr)
    elif number == signal.SIGINT:
      raise KeyboardInterrupt
