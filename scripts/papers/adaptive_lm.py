"""Dynamic evaluation and the neural cache, of a model of the Penn Treebank."""

from experiments.pictures import BLACK, GREY, VERMILLION
from scripts.papers.base import PTB, Row, Run, read_text, values

CONFIG = "configs/zaremba_2014.py"
TEXT = read_text(__file__)
STATIC, SCORE = "static/perplexity", "test/perplexity"
LEAST = 0.05  # part of the static perplexity that adapting has to save
# what the papers' models of 24M parameters gained, AWD-LSTM after fine-tuning
PAPER = {"dynamic": (57.3, 51.1), "cache": (57.3, 52.8)}
SETTINGS = {
  "dynamic": ("form", "rate", "decay", "epsilon", "segment"),
  "cache": ("cache_size", "theta", "share"),
}
SEARCH = {"dynamic": " --tune_tokens=10000", "cache": ""}


def _row(mode, description):
  run = Run(
    f"medium-0-{mode}",
    "medium",
    ("--config.train.seed=0",),
    of="zaremba_2014/medium-0",
    search=f"--mode={mode}{SEARCH[mode]}",
  )
  return Row(
    mode,
    description,
    runs=(run,),
    paper=dict(zip((STATIC, SCORE), PAPER[mode], strict=True)),
    tests={"static": "", "test": f"--mode={mode} --trial=0"},
    **PTB,
  )


ROWS = (
  _row("dynamic", "dynamic evaluation, RMS form"),
  _row("cache", "neural cache"),
)


def _gain(static, adapted) -> float:
  return 1 - adapted / static


def judge(row: Row, trials) -> tuple[bool, str]:
  """Adapting saves 5 % of the test perplexity."""
  gain = _gain(values(trials, STATIC).mean(), values(trials, SCORE).mean())
  return gain >= LEAST, f"{gain:.1%} is less than {LEAST:.0%}"


def _paper(row, trials):
  static, adapted = row.paper[STATIC], row.paper[SCORE]
  return f"{static} to {adapted}, {-_gain(static, adapted):.1%}"


def _ours(row, trials):
  if not trials:
    return "-"
  static, adapted = values(trials, STATIC).mean(), values(trials, SCORE).mean()
  return f"{static:.2f} to {adapted:.2f}, {-_gain(static, adapted):.1%}"


def _settings(row, trials):
  known = trials[0] if trials else {}
  names = [name for name in SETTINGS[row.name] if f"test/{name}" in known]
  return ", ".join(f"{name} {known[f'test/{name}']}" for name in names) or "-"


columns = (
  ("paper: AWD-LSTM, 24M parameters", _paper),
  ("ours: static to adapted", _ours),
  ("settings, found on validation", _settings),
)


def plot(rows, axes):
  for place, (_, trials) in enumerate(rows):
    for offset, score, colour, label in (
      (-0.18, STATIC, GREY, "as trained"),
      (0.18, SCORE, VERMILLION, "adapting"),
    ):
      found = values(trials, score)[:1]
      where = [place + offset] * len(found)
      bars = axes.bar(where, found, 0.32, color=colour, label=label)
      axes.bar_label(bars, fmt="%.1f", label_type="center", color="white")
    if trials:
      most = (1 - LEAST) * values(trials, STATIC)[0]
      ends = [place - 0.4, place + 0.4]
      label = f"{LEAST:.0%} below, which counts as reproduced"
      axes.plot(ends, [most] * 2, "--", color=BLACK, lw=1, label=label)
  axes.set_xticks(range(len(rows)), [row.description for row, _ in rows])
  axes.set_xlim(-0.6, len(rows) - 0.4)
  axes.set_ylabel("test perplexity")
