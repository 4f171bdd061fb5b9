"""The worker processes, and measuring a group of cases in alternation."""

import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
ROUNDS = 5
LEAST, MOST = 3, 1000  # timed runs of a case


class WorkerError(Exception):
  """A contender cannot run here, or one of its cases failed; one line."""


class Worker:
  """A process of `worker.py`, asked one thing at a time.

  platform: "cpu" or "cuda", which JAX and torch know by the same names.
  """

  def __init__(self, python: str, module: str, setting: str, platform: str):
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
    self._errors = tempfile.TemporaryFile("w+", errors="replace")
    try:
      self._process = subprocess.Popen(
        [python, "-m", "scripts.peers.worker", module, setting],
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
    try:
      self.versions = self._answer()["versions"]
    except BaseException:
      self.kill()
      raise

  def ask(self, **command) -> dict:
    """Sends a command and waits for its answer.

    Raises:
      WorkerError: it failed, or the process has ended.
    """
    try:
      self._process.stdin.write(json.dumps(command) + "\n")
      self._process.stdin.flush()
    except OSError:
      pass  # the process has ended; its last words say why
    return self._answer()

  def _answer(self):
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
      try:
        stream.close()
      except BrokenPipeError:
        pass


class Workers:
  """Starts each worker when it is first needed, and ends all of them.

  pythons: the interpreter of each peer; modules: its file in scripts/peers.
  """

  def __init__(
    self, pythons: dict[str, str], modules: dict[str, str], note, platform: str
  ):
    self._pythons, self._modules, self._note = pythons, modules, note
    self._platform = platform
    self._workers = {}
    self.versions = {}

  def __enter__(self):
    return self

  def __exit__(self, *error):
    for worker in self._workers.values():
      if isinstance(worker, Worker):
        worker.kill()

  def get(self, peer: str, setting: str) -> Worker:
    """Raises WorkerError where the peer cannot run, and notes it once."""
    key = peer, setting
    if key not in self._workers:
      try:
        python, module = self._pythons[peer], self._modules[peer]
        worker = Worker(python, module, setting, self._platform)
        self.versions[peer] = worker.versions
      except WorkerError as error:
        worker = error
        self._note(f"{peer} ({setting}) is left out: {error}")
      self._workers[key] = worker
    if isinstance(self._workers[key], WorkerError):
      raise self._workers[key]
    return self._workers[key]


def measure(group: list[dict], workers: Workers, seconds: float, show):
  """Fills in the records of a group: all prepare, then rounds in turn.

  A record names its `peer`, the `process` setting of its worker and its `case`,
  may name the allowed numbers of `results`, and gets `first_seconds`, the list
  `seconds`, `peak_bytes`, or `error`.

  seconds: the time for each record's runs, of which there are at least LEAST.
  """
  ready = []
  for record in group:
    show(f"{record['peer']} ({record['process']}) compiles")
    try:
      worker = workers.get(record["peer"], record["process"])
      answer = worker.ask(do="prepare", case=record["case"])
      _check(record, answer)
    except WorkerError as error:
      record["error"] = str(error)
      continue
    record["seconds"] = []
    for name in ("first_seconds", "temporary_bytes"):
      if name in answer:
        record[name] = answer[name]
    runs = min(max(int(seconds / answer["seconds"]), LEAST), MOST)
    ready.append((record, worker, answer["number"], runs))
  for i in range(ROUNDS):
    for record, worker, number, runs in ready:
      times = runs * (i + 1) // ROUNDS - runs * i // ROUNDS
      if not times or "error" in record:
        continue
      show(f"{record['peer']} ({record['process']}), round {i + 1}/{ROUNDS}")
      try:
        answer = worker.ask(do="run", number=number, times=times)
        record["seconds"] += answer["seconds"]
      except WorkerError as error:
        record["error"] = str(error)
  for worker in {worker for _, worker, _, _ in ready}:
    try:
      peak = worker.ask(do="release")["peak_bytes"]
    except WorkerError:
      continue
    for record, other, _, _ in ready:
      if other is worker:
        record["peak_bytes"] = peak


def _check(record, answer):
  """Everybody must compute all of the same: outputs and every gradient."""
  if not answer["sound"]:
    raise WorkerError("a result is zero throughout, or not finite")
  if "results" in record and answer["results"] not in record["results"]:
    raise WorkerError(
      f"{answer['results']} numbers come out, not {record['results']}"
    )
