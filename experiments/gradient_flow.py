"""How far back gradients reach: the simple network, the LSTM, its biases.

python -m experiments.gradient_flow --output=runs/gradient_flow

Networks with one output at the end of the adding problem (Le, Jaitly & Hinton
2015: two of the numbers from U(0, 1) are marked, one in each half; say their
sum), before and during training with Adam. Drawn is the norm of dL_T / dh_t and
of dL_T / dc_t against the lag T - t, relative to that of dL_T / dh_T, so that
the size of the error plays no part: median and quartiles over seeds, each a
network and a sequence of its own. These derivatives are taken in float64.
Of the LSTM of 1997 only c is drawn: its gradient is truncated at h. It has the
blocks and the input gate biases of its own adding problem.
"""

import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax

from experiments.command_line import (
  make_folder,
  new_flags,
  parse_flags,
  run_command,
)
from experiments.pictures import (
  BLACK,
  GREY,
  LINES,
  ORANGE,
  PURPLE,
  VERMILLION,
  picture,
)
from experiments.plain_text import align, strict_json
from lstm_jax.array_types import Array, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.base import Cell
from lstm_jax.cells.lstm import LSTM
from lstm_jax.cells.lstm_1997 import LSTM1997
from lstm_jax.cells.rnn import RNN
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.gradient_flow import (
  VANISHED,
  gradients_by_lag,
  lag_below,
  log10_norm,
  slope,
)
from lstm_jax.files import write_atomically
from lstm_jax.recurrence.unroll import unroll
from lstm_jax.tasks.adding import AddingConfig

PARTS = ("h", "c")
FORGET_BIASES = (0, 1, 2, 3, 5)
BATCH, TEST_SEQUENCES = 10, 100
OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))


def networks(
  hidden: int, length: int
) -> list[tuple[str, Any, Callable[[Array], Params]]]:
  """(name, cell, its parameters from a key); all LSTMs are one cell."""
  rnn, lstm = RNN(hidden), LSTM(hidden)
  first = LSTM1997(
    hidden, block_size=2 - hidden % 2, input_gate_biases=(-3.0, -6.0)
  )

  def uniform(key):
    drawn = initializers.uniform(key, (2 + hidden, hidden), hidden**-0.5)
    return {"w_x": drawn[:2], "w_h": drawn[2:], "b": jnp.zeros(hidden)}

  def biased(key, forget_bias):
    return LSTM(hidden, forget_bias=float(forget_bias)).init(key, 2)

  def chrono(key):
    key, key_b = jax.random.split(key)
    b = initializers.chrono_biases(key_b, hidden, float(length))
    return lstm.init(key, 2) | {"b": b}

  return [
    ("RNN, U(±1/√h)", rnn, uniform),
    ("RNN, orthogonal", rnn, lambda key: rnn.init(key, 2)),
    *(
      (f"LSTM, b_f = {b}", lstm, lambda key, b=b: biased(key, b))
      for b in FORGET_BIASES
    ),
    ("LSTM, chrono", lstm, chrono),
    ("LSTM of 1997", first, lambda key: first.init(key, 2)),
  ]


def adding(key: Array, count: int, length: int) -> tuple[Array, Array]:
  """Inputs [n t 2], numbers and marks, and the sums [n] of the marked."""
  task = AddingConfig(variant="le", length=length)
  examples = jax.vmap(task.sample)(jax.random.split(key, count))
  return examples.inputs, examples.targets[:, -1, 0]


def initial(init: Callable[[Array], Params], key: Array, hidden: int) -> Params:
  """A network: the cell's parameters and a linear output."""
  key, key_w = jax.random.split(key)
  w = initializers.lecun_uniform(key_w, (hidden, 1))[:, 0]
  return {"cell": init(key), "w": w, "b": jnp.zeros(())}


def squared_error(
  cell: Cell, network: Params, x: Array, target: Array
) -> Array:
  y, _ = unroll(cell, network["cell"], x)
  return jnp.square(y[:, -1] @ network["w"] + network["b"] - target).mean()


@functools.partial(jax.jit, static_argnums=(0, 4))
def train_networks(
  cell: Cell, carry: Any, keys: Array, steps: Array, length: int
) -> Any:
  """Updates every network of a stack by itself; each has a key."""

  def train_one(carry, key):
    def update(carry, step):
      network, opt_state = carry
      batch = adding(jax.random.fold_in(key, step), BATCH, length)
      gradient = jax.grad(squared_error, 1)(cell, network, *batch)
      updates, opt_state = OPTIMIZER.update(gradient, opt_state)
      return (optax.apply_updates(network, updates), opt_state), None

    return jax.lax.scan(update, carry, steps)[0]

  return jax.vmap(train_one)(carry, keys)


@functools.partial(jax.jit, static_argnums=(0, 3))
def measure_networks(
  cell: Cell, stack: Params, keys: Array, length: int
) -> tuple[Array, dict[str, Array]]:
  """Test error of each network, and log10 norms against lag [networks t]."""

  def measure_one(network, key):
    x, target = adding(key, TEST_SEQUENCES, length)
    state = cell.initial_state(1, x.dtype)
    dh = network["w"] / jnp.linalg.norm(network["w"])
    dstate = jax.tree.map(jnp.zeros_like, state)._replace(h=dh[None])
    gradients = gradients_by_lag(cell, network["cell"], x[:1], dstate)
    norms = {
      part: log10_norm(getattr(gradients, part)[0])
      for part in PARTS
      if hasattr(state, part)
    }
    return squared_error(cell, network, x, target), norms

  return jax.vmap(measure_one)(stack, keys)


def measure_gradient_flow(
  hidden: int, length: int, seeds: int, steps: list[int]
) -> list[dict]:
  """A row for each network, step and part of the state."""
  rows, began = [], time.monotonic()
  made = networks(hidden, length)
  starts, streams, tests = jax.random.split(jax.random.key(0), (3, seeds))
  # The networks of one cell are trained side by side, as one program.
  for cell in dict.fromkeys(cell for _, cell, _ in made):
    members = [(name, init) for name, c, init in made if c == cell]
    stack = jax.tree.map(
      lambda *leaves: jnp.stack(leaves),
      *[initial(init, key, hidden) for _, init in members for key in starts],
    )
    # Members of one seed see the same sequences.
    train_keys, test_keys = (
      jnp.tile(keys, len(members)) for keys in (streams, tests)
    )
    carry, done = (stack, jax.vmap(OPTIMIZER.init)(stack)), 0
    for step in steps:
      while done < step:
        now = min(step, done + 100)
        carry = train_networks(
          cell, carry, train_keys, jnp.arange(done, now), length
        )
        jax.block_until_ready(carry)
        done = now
        what = f"{type(cell).__name__}: {done}/{steps[-1]} updates"
        print(f"[{time.monotonic() - began:5.0f} s] {what}", flush=True)
      rows += _measured(cell, carry[0], test_keys, length, step, members)
  names = [name for name, _, _ in made]

  def place(row):
    part = PARTS.index(row["part"])
    return names.index(row["network"]), row["updates"], part

  return sorted(rows, key=place)


def _measured(cell, stack, keys, length, step, members):
  with jax.enable_x64(True):
    stack = jax.tree.map(lambda a: np.asarray(a, np.float64), stack)
    errors, norms = jax.device_get(measure_networks(cell, stack, keys, length))
  rows = []
  for number, (name, _) in enumerate(members):
    seeds = np.arange(len(keys)).reshape(len(members), -1)[number]
    for part, values in norms.items():
      # values that occurred: none is between -inf and a number
      lower, median, upper = np.percentile(
        values[seeds], (25, 50, 75), axis=0, method="inverted_cdf"
      )
      rows.append(
        {
          "network": name,
          "updates": step,
          "squared_error": float(np.median(errors[seeds])),
          "part": part,
          "slope": slope(median),
          "lag_below_1e-6": lag_below(median),
          "lower_quartile": lower.tolist(),
          "median": median.tolist(),
          "upper_quartile": upper.tolist(),
        }
      )
  return rows


def gradient_table(rows: list[dict]) -> str:
  """A line for each network, step and part."""
  table = [
    ("network", "updates", "squared error", "gradient", "decades a step")
    + ("below 1e-6 from lag",)
  ]
  for row in rows:
    if row["slope"] is None:
      continue  # truncated
    lag, decades = row["lag_below_1e-6"], round(row["slope"], 4) + 0.0  # no -0
    table.append(
      (row["network"], str(row["updates"]), f"{row['squared_error']:.4f}")
      + (f"d{row['part']}", f"{decades:.4f}", "-" if lag is None else str(lag))
    )
  return "\n".join(align(table))


def draw_gradient_flow(rows: list[dict], path: pathlib.Path):
  """A column of panels for each step, a row for each part of the state."""
  names = list(dict.fromkeys(row["network"] for row in rows))
  steps = list(dict.fromkeys(row["updates"] for row in rows))
  styles = _styles(names)
  grid = {
    "nrows": len(PARTS), "ncols": len(steps), "sharex": True, "sharey": True,
  }  # fmt: skip
  with picture(path, height=5.0, **grid) as (_, panels):
    for part, line in zip(PARTS, panels, strict=True):
      line[0].set_ylabel(f"log10 |dL/d{part}(t)|, relative")
      for step, axes in zip(steps, line, strict=True):
        axes.set_title(
          f"d{part}, {step} updates" if step else f"d{part}, initial"
        )
        label = "where it has vanished"
        axes.axhline(VANISHED, color=GREY, lw=0.8, ls=":", label=label)
        axes.set_ylim(-12, 2)
        axes.grid()
    for axes in panels[-1]:
      axes.set_xlabel("lag T - t")
    for row in rows:
      if row["slope"] is None:
        continue
      axes = panels[PARTS.index(row["part"])][steps.index(row["updates"])]
      style, lags = styles[row["network"]], np.arange(len(row["median"]))
      label = f"{row['network']}: median and quartiles"
      axes.plot(lags, row["median"], label=label, **style)
      low, high = row["lower_quartile"], row["upper_quartile"]
      axes.fill_between(lags, low, high, color=style["color"], alpha=0.1, lw=0)


def _styles(names) -> dict[str, dict]:
  """Shades for forget biases, which are in order, and colours for others."""
  biases = [name for name in names if "b_f" in name]
  others = [name for name in names if name not in biases]
  shades = matplotlib.colormaps["viridis"](np.linspace(0.1, 0.85, len(biases)))
  colours = dict(zip(biases, shades, strict=True))
  known = (VERMILLION, ORANGE, PURPLE, BLACK)
  colours |= {name: known[k % len(known)] for k, name in enumerate(others)}
  return {
    name: {"color": colours[name], "ls": LINES[k % len(LINES)]}
    for k, name in enumerate(names)
  }


def parse_updates(words: list[str]) -> list[int]:
  """Increasing numbers of updates.

  Raises:
    ConfigError: they are not.
  """
  steps = [int(word) for word in words if word.isdecimal()]
  if len(steps) < len(words) or not steps or sorted(set(steps)) != steps:
    raise ConfigError(
      f"--steps: must be increasing numbers of updates, as 0,500,1000; got"
      f" {','.join(words)!r}"
    )
  return steps


def main(argv: list[str]):
  values = new_flags(
    output=(None, "folder to write to"),
    seeds=(5, "networks of each kind", (1, None)),
    length=(100, "steps of a sequence", (4, None)),
    hidden=(16, "hidden units", (1, None)),
    steps=(["0", "500", "1000"], "updates to look after"),
  )
  parse_flags(values, argv, __doc__, required=("output",))
  steps = parse_updates(values.steps)
  output = make_folder(values, "output")
  rows = measure_gradient_flow(
    values.hidden, values.length, values.seeds, steps
  )
  print(gradient_table(rows))
  settings = {n: values[n].value for n in ("seeds", "length", "hidden")}
  result = {"settings": settings | {"steps": steps}, "rows": rows}
  write_atomically(
    output / "gradient_flow.json", strict_json(result, indent=1) + "\n"
  )
  draw_gradient_flow(rows, output / "gradient_flow.png")
  print(output / "gradient_flow.json", output / "gradient_flow.png", sep="\n")


if __name__ == "__main__":
  run_command(main)
