"""Measures a group of cases in alternation, each in a process of its own."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
ROUNDS = 5
LEAST, MOST = 3, 1000  # timed runs of a case


class WorkerError(Exception):
  """A contender cannot run here, or its case failed; one line."""


class Worker:
  """A process of `worker.py`.

  platform: "cpu" or "cuda", which JAX and torch know by the same names.
  """

  def __init__(
    self, python: str, module: str, setting: str, case: dict, platform: str
  ):
    environment = dict(os.environ)
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    if platform == "cpu":  # whose settings a worker chooses
      environment.pop("XLA_FLAGS", None)
    paths = [str(ROOT), os.environ.get("PYTHONPATH")]
    environment |= {
      "JAX_PLATFORMS": platform,
      "PYTHONPATH": os.pathsep.join(filter(None, paths)),
      "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the contenders share a GPU
    }
    command = [python, "-m", "scripts.peers.worker", module, setting]
    self._errors = tempfile.TemporaryFile("w+", errors="replace")
    try:
      self._process = subprocess.Popen(
        [*command, json.dumps(case)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=self._errors,
        text=True,
      )
    except OSError as error:
      self._errors.close()
      raise WorkerError(f"{python}: {error.strerror}") from None

  def run(self, times: int) -> dict:
    """Raises WorkerError: it failed, or the process has ended."""
    with contextlib.suppress(OSError):  # it has ended; its last words say why
      self._process.stdin.write(f"{times}\n")
      self._process.stdin.flush()
    return self.answer()

  def answer(self) -> dict:
    line = self._process.stdout.readline()
    if not line:
      code = self._process.wait()
      self._errors.seek(0)
      words = self._errors.read().strip().splitlines() or ["no message"]
      raise WorkerError(f"its process ended with {code}: {words[-1][:200]}")
    answer = json.loads(line)
    if "error" in answer:
      raise WorkerError(answer["error"])
    return answer

  def kill(self):
    self._process.kill()
    self._process.wait()
    for stream in (self._process.stdin, self._process.stdout, self._errors):
      with contextlib.suppress(BrokenPipeError):
        stream.close()


class Peers:
  """Starts workers, and knows who cannot run here.

  pythons: the interpreter of each peer; modules: its file in scripts/peers.
  note: takes a line that stays.
  """

  def __init__(self, pythons: dict, modules: dict, note, platform: str):
    self._pythons, self._modules, self._note = pythons, modules, note
    self._platform = platform
    self._missing = {}
    self.versions = {}

  def start(self, record: dict) -> Worker:
    """Raises WorkerError where the peer cannot run, and notes it once."""
    peer, setting = key = record["peer"], record["process"]
    if key in self._missing:
      raise self._missing[key]
    try:
      worker = Worker(
        *(self._pythons[peer], self._modules[peer], setting, record["case"]),
        self._platform,
      )
      try:
        self.versions[peer] = worker.answer()["versions"]
      except BaseException:
        worker.kill()
        raise
    except WorkerError as error:
      self._missing[key] = error
      self._note(f"{peer} ({setting}) is left out: {error}")
      raise
    return worker


def measure(group: list[dict], peers: Peers, seconds: float, show):
  """Fills in the records of a group: all prepare, then rounds in turn.

  A record names its `peer`, the `process` setting of its worker and its `case`,
  may name the allowed numbers of `results`, and gets `first_seconds`, the list
  `seconds`, `peak_bytes`, or `error`.

  seconds: the time for each record's runs, of which there are at least LEAST.
  """
  with contextlib.ExitStack() as workers:
    ready = []
    for record in group:
      show(f"{record['peer']} ({record['process']}) compiles")
      try:
        worker = peers.start(record)
        workers.callback(worker.kill)
        answer = worker.answer()
        _check(record, answer)
      except WorkerError as error:
        record["error"] = str(error)
        continue
      runs = min(max(int(seconds / answer["seconds"]), LEAST), MOST)
      record["seconds"] = []
      for name in ("first_seconds", "temporary_bytes"):
        record[name] = answer[name]
      ready.append((record, worker, runs))
    for i in range(ROUNDS):
      for record, worker, runs in ready:
        times = runs * (i + 1) // ROUNDS - runs * i // ROUNDS
        if not times or "error" in record:
          continue
        show(f"{record['peer']} ({record['process']}), round {i + 1}/{ROUNDS}")
        try:
          answer = worker.run(times)
        except WorkerError as error:
          record["error"] = str(error)
          continue
        record["seconds"] += answer["seconds"]
        record["peak_bytes"] = answer["peak_bytes"]


def _check(record, answer):
  """Everybody must compute all of the same: outputs and every gradient."""
  if not answer["sound"]:
    raise WorkerError("a result is zero throughout, or not finite")
  if "results" in record and answer["results"] not in record["results"]:
    raise WorkerError(
      f"{answer['results']} numbers come out, not {record['results']}"
    )
