"""Dynamic evaluation and the neural cache, of a model of the Penn Treebank."""

from experiments.pictures import BLACK, GREY, VERMILLION
from scripts.papers.base import PTB, Row, Run, values

TITLE = "Language models that adapt to what they read"
CITATION = (
  "B. Krause, E. Kahembwe, I. Murray and S. Renals, Dynamic Evaluation of"
  " Neural Sequence Models, ICML 2018; E. Grave, A. Joulin and N. Usunier,"
  " Improving Neural Language Models with a Continuous Cache, ICLR 2017."
)
CONFIG = "configs/zaremba_2014.py"
INTRODUCTION = (
  "A word that has just been read is likelier to come again. Dynamic evaluation"
  " goes on training while it scores; the neural cache mixes in a distribution"
  " over the words of the recent past. Both are applied here to the medium"
  " model of [zaremba_2014.md](zaremba_2014.md), which is not trained"
  " again for them."
)
CAPTION = "Test perplexity of one model, read as it was trained and adapting."
STATIC, SCORE = "static/perplexity", "test/perplexity"
LEAST = 0.05  # part of the static perplexity that adapting has to save
# what the papers' models of 24M parameters gained, AWD-LSTM after fine-tuning
PAPER = {"dynamic": (57.3, 51.1), "cache": (57.3, 52.8)}
SETTINGS = {
  "dynamic": ("form", "rate", "decay", "epsilon", "segment"),
  "cache": ("cache_size", "theta", "share"),
}
SEARCH = {"dynamic": " --search_tokens=10000", "cache": ""}


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


READINGS = (
  "Reproduced means: the test perplexity is 5 % lower than that of the same"
  " weights in static evaluation.",
  "Settings are searched on the validation split alone: for dynamic evaluation"
  " four rates, then four decays, on its first 10,000 tokens; for the cache 42"
  " pairs of theta and share on all of it.",
  "Both read the split in one stream whose state runs through the whole of it.",
)
DIFFERENCES = (
  "The papers' gains are of other, larger models; AWD-LSTM's cache is its"
  " authors' own, of 2,000 words (Merity et al. 2018).",
  "The decay (lambda) found here is relative to the mean RMS of all numbers;"
  " the authors' program takes the mean of the parameters' means, so that their"
  " lambdas are other numbers. `--form=krause` computes theirs; this row was"
  " not run with it.",
)
