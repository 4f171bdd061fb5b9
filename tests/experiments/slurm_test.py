"""The launcher slurm, with commands on PATH in SLURM's place."""

import json
import os
import signal
import sys
import time

import pytest
from helpers import REPOSITORY, Child

from experiments.launchers import slurm
from experiments.launchers.child import Job
from experiments.sweep import main
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run.status import read_status
from lstm_jax.run.writers import read_metrics

COMMANDS = {
  "sbatch": 'cp "$1" script.sh; echo "Submitted batch job 77"',
  "squeue": "cat queue",
  "scontrol": 'echo "$@" >> scontrol.txt',
  "srun": (
    'while [[ "$1" == --* ]]; do\n'
    '  if [[ "$1" == --output ]]; then shift; fi\n'
    "  shift\n"
    "done\n"
    "echo $$ > pid\n"
    'cd "$REPOSITORY" && exec "$@"'
  ),
}
SWEEP = [
  "--config=configs/adding.py:tiny",
  "--sweep=configs/sweeps/adding_rates.py",
]


@pytest.fixture
def submitit(monkeypatch):
  # Its loggers would keep the streams of the test that imports it.
  monkeypatch.setenv("SUBMITIT_LOG_LEVEL", "NOCONFIG")
  pytest.importorskip("submitit")


@pytest.fixture
def cluster(tmp_path, monkeypatch, submitit):
  """A directory where the commands leave what they were asked for."""
  folder = tmp_path / "cluster"
  folder.mkdir()
  (folder / "queue").write_text("")
  for name, text in COMMANDS.items():
    command = folder / name
    command.write_text(f'#!/bin/bash\ncd "{folder}"\n{text}\n')
    command.chmod(0o755)
  monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
  monkeypatch.setenv("REPOSITORY", str(REPOSITORY))
  return folder


def make_jobs(tmp_path, *words):
  return [
    Job(tmp_path / "runs", f"seed={k}", (SWEEP[0], *words)) for k in range(2)
  ]


def test_options():
  words = ["partition=gpu", "time=30", "gres=gpu:a100:2"]
  assert slurm.parse_options(words) == {
    "partition": "gpu",
    "time": 30,
    "gres": "gpu:a100:2",
  }
  assert slurm.parse_options([]) == {"time": 60}
  for word, message in (
    ("partiton=a", 'unknown option "partiton"; did you mean "partition"'),
    ("mem", "mem has no value; give mem=VALUE"),
    ("time=1:00", "time must be a number of minutes above 0, got '1:00'"),
    ("gpus_per_node=0", "gpus_per_node must be a number above 0, got '0'"),
  ):
    with pytest.raises(ConfigError, match=message):
      slurm.parse_options([word])


def test_what_is_missing(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "submitit", None)
  with pytest.raises(ConfigError, match="submitit is not installed; pip inst"):
    slurm.submit(tmp_path / "runs", make_jobs(tmp_path), {}, 0)
  with pytest.raises(ConfigError, match="--slurm: it is for --launcher=slurm"):
    main(["sweep", *SWEEP, f"--workdir={tmp_path}/runs", "--slurm=mem=1G"])
  assert not (tmp_path / "runs").exists()


def test_dry_run(tmp_path, capsys, submitit):
  words = [*SWEEP, f"--workdir={tmp_path}/runs", "--launcher=slurm"]
  more = ["--dry_run", "--workers=4", "--slurm=mem=8G,setup=module load cuda"]
  assert main(["sweep", *words, *more]) == 0
  printed = capsys.readouterr().out
  assert printed.startswith("#!/bin/bash\n")
  for line in (
    "#SBATCH --array=0-11%4",
    "#SBATCH --job-name=runs",
    "#SBATCH --mem=8G",
    "#SBATCH --time=60",
    "module load cuda",
  ):
    assert f"\n{line}\n" in printed
  assert printed.count("\npython -m experiments.train --config=") == 12
  assert not (tmp_path / "runs").exists()


def test_what_is_queued_is_left_alone(tmp_path, cluster):
  jobs, options = make_jobs(tmp_path), slurm.parse_options(["qos=high"])

  def submit():
    return slurm.submit(tmp_path / "runs", jobs, options, 0)

  assert submit() == ["77_0", "77_1"]
  script = (cluster / "script.sh").read_text()
  assert "#SBATCH --array=0-1%2\n" in script
  assert "#SBATCH --qos=high\n" in script
  (cluster / "queue").write_text("77_0\n77_1\n")
  assert submit() == []
  (cluster / "queue").write_text("77_1\n")
  assert submit() == ["77"]  # the first one alone, as a job without an array
  kept = json.loads((tmp_path / "runs/slurm/jobs.json").read_text())
  assert kept == {"seed=0": "77", "seed=1": "77_1"}


def test_without_slurm(tmp_path, monkeypatch, submitit):
  monkeypatch.setenv("PATH", "")
  with pytest.raises(ConfigError, match="no sbatch on this machine; --dry_run"):
    slurm.submit(tmp_path / "runs", make_jobs(tmp_path), {}, 0)


def test_a_refusal_is_one_line(tmp_path, cluster):
  (cluster / "sbatch").write_text("#!/bin/bash\necho no such QOS >&2; exit 1\n")
  with pytest.raises(RunError, match="--launcher=slurm: .*no such QOS"):
    slurm.submit(
      tmp_path / "runs", make_jobs(tmp_path), slurm.parse_options([]), 0
    )


@pytest.mark.slow
def test_a_task_saves_and_is_queued_again(tmp_path, cluster):
  words = ("--config.train.steps=5000", "--config.train.stop.name=never")
  words += ("--config.train.validate_every=2500", "--config.run.save_every=0")
  jobs = make_jobs(tmp_path, *words)
  slurm.submit(tmp_path / "runs", jobs, slurm.parse_options([]), 0)
  run = jobs[1].directory

  def start():
    task = {"SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": "1"}
    return Child(
      ["bash", cluster / "script.sh"],
      env=os.environ | task | {"SLURM_JOB_ID": "78", "SLURM_PROCID": "0"},
    )

  def wait_for_updates(count):
    deadline = time.monotonic() + 500
    while not any(row["step"] > count for row in read_metrics(run)):
      assert time.monotonic() < deadline
      time.sleep(0.1)

  # The time limit is near: saved, and SLURM is asked to queue it again.
  process = start()
  wait_for_updates(0)
  os.kill(int((cluster / "pid").read_text()), signal.SIGUSR2)
  assert process.wait(500)
  assert (cluster / "scontrol.txt").read_text() == "requeue 77_1\n"
  step = read_status(run).step
  assert (run / "checkpoints").is_dir() and 0 < step < 5000
  # It goes on there, and is cancelled: saved.
  process = start()
  wait_for_updates(step)
  os.kill(int((cluster / "pid").read_text()), signal.SIGTERM)
  assert process.wait(500) == 75
  assert start().wait(100) == 0
  assert read_status(run).state == "finished"
  starts = json.loads((run / "run.json").read_text())["starts"]
  assert len(starts) == 3
  assert 0 < starts[1]["from_step"] < starts[2]["from_step"]
  assert (cluster / "scontrol.txt").read_text() == "requeue 77_1\n"
