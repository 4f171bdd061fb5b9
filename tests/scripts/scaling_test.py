"""The measurement of scaling, as a command."""

import pytest
from helpers import run_process

from lstm_jax.errors import ConfigError
from scripts import scaling


@pytest.mark.parametrize(
  "words, message",
  [
    ((), "--output is missing"),
    (("--output=x", "--parts=wake"), "--parts: wake is none of weak"),
  ],
)
def test_wrong_flags(words, message):
  with pytest.raises(ConfigError, match=message):
    scaling.main(["scaling", *words])


@pytest.mark.slow
def test_the_command(corpus, tmp_path):
  printed = run_process(
    "scripts.scaling",
    *("--config=configs/char_lm.py:tiny", f"--config.task.corpus={corpus}"),
    *("--config.task.limit=0", "--config.train.batch_size=4"),
    *(f"--output={tmp_path}", "--devices=2", "--updates=2"),
  )
  text = (tmp_path / "scaling.md").read_text()
  assert printed.strip() in text
  for title in ("Weak scaling", "Strong scaling"):
    assert f"### {title}" in text
  assert text.count("\n| 2 | 2 |") == 2  # two processes, weak and strong
