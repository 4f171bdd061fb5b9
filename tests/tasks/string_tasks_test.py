"""The tasks of Deletang et al. 2023 against plain Python."""

import functools
import math

import jax
import numpy as np
import pytest
from task_checks import assert_distribution

from configs import char_lm
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.tasks import chomsky_binary
from lstm_jax.tasks.registry import TASKS
from lstm_jax.tasks.string_task import StringTaskConfig


def number(bits) -> int:
  """Of bits, the lowest first."""
  return sum(int(bit) << place for place, bit in enumerate(bits))


def digits(value: int) -> list[int]:
  return [int(digit) for digit in reversed(f"{value:b}")]


def text(string, operators) -> str:
  return "".join(str(s) if s < 5 else operators[s - 5] for s in string)


def pushed_and_popped(string):
  stack = []
  for symbol in string:
    if symbol == 2:
      stack = stack[:-1]
    else:
      stack.append(symbol % 3 if symbol > 2 else symbol)
  return stack[::-1] + [2]


def missing(string):
  if len(string) == 1:
    return [1]
  half = len(string) // 2
  place = string.index(2)
  a, b = string[:half], string[half : 2 * half]
  assert [x for x, y in zip(a, b) if 2 not in (x, y)] == [
    y for x, y in zip(a, b) if 2 not in (x, y)
  ]
  assert string[2 * half :] == [3] * (len(string) % 2)
  return [string[(place + half) % (2 * half)]]


def solution(string):
  if len(string) < 3:
    assert string == [0] * len(string)
    return [0]
  left, right = text(string, "+-()x=").split("=")
  works = [
    x
    for x in range(5)
    if eval(left.replace("x", str(x))) % 5 == int(right)  # digits, + - ( )
  ]
  assert len(works) == 1
  return works


def operands(string):
  if len(string) < 3:
    return number(string), 0
  plus = string.index(2)
  return number(string[:plus]), number(string[plus + 1 :])


def product(string):
  a, b = operands(string)
  return digits(a * b)[: len(string) - 1] + [2]


def root(string):
  value = math.isqrt(number(string[::-1]))
  return [int(d) for d in f"{value:b}".zfill((len(string) + 1) // 2)]


# name: the answer to a list of symbols, and the empty tokens for a length
ANSWERS = {
  "even_pairs": (
    lambda s: [sum(a != b for a, b in zip(s, s[1:])) % 2],
    lambda n: 1,
  ),
  "parity": (lambda s: [s.count(1) % 2], lambda n: 1),
  "cycle_navigation": (
    lambda s: [(s.count(2) - s.count(0)) % 5],
    lambda n: 1,
  ),
  "modular_arithmetic": (lambda s: [eval(text(s, "+-*")) % 5], lambda n: 1),
  "stack_manipulation": (pushed_and_popped, lambda n: n + 1),
  "reverse_string": (lambda s: s[::-1], lambda n: n),
  "modular_arithmetic_brackets": (
    lambda s: [eval(text(s, "+-()*")) % 5],
    lambda n: 1,
  ),
  "solve_equation": (solution, lambda n: 1),
  "duplicate_string": (lambda s: s + s, lambda n: 2 * n),
  "missing_duplicate": (missing, lambda n: 1),
  "odds_first": (lambda s: s[0::2] + s[1::2], lambda n: n),
  "binary_addition": (
    lambda s: digits(sum(operands(s))) + [2],
    lambda n: n + 1,
  ),
  "binary_multiplication": (product, lambda n: n),
  "compute_sqrt": (root, lambda n: (n + 1) // 2),
  "bucket_sort": (sorted, lambda n: n),
}


def draw(config, count, seed=0):
  """Strings as lists, and the examples."""
  keys = jax.random.split(jax.random.key(seed), count)
  examples = jax.tree.map(np.asarray, jax.jit(jax.vmap(config.sample))(keys))
  empty = config.sizes().inputs - 1
  lengths = (examples.inputs != empty).sum(1)
  strings = [row[:n].tolist() for row, n in zip(examples.inputs, lengths)]
  return strings, examples


def check_answers(name, config, count):
  answer, steps = ANSWERS[name]
  sizes = config.sizes()
  strings, examples = draw(config, count)
  assert examples.inputs.min() >= 0 and examples.inputs.max() < sizes.inputs
  for row, string in enumerate(strings):
    wanted, n = answer(string), len(string)
    assert all(0 <= symbol < sizes.outputs for symbol in wanted)
    assert (examples.inputs[row, n:] == sizes.inputs - 1).all()
    assert examples.targets[row, n : n + len(wanted)].tolist() == wanted
    counted = np.zeros(examples.inputs.shape[1])
    counted[n : n + len(wanted)] = 1
    np.testing.assert_array_equal(examples.weights[row], counted)
    inside = np.arange(examples.inputs.shape[1]) < n + steps(n)
    np.testing.assert_array_equal(examples.mask[row], inside)
  return strings


def test_every_string_task_is_tested():
  names = {n for n, c in TASKS.items() if issubclass(c, StringTaskConfig)}
  assert names == ANSWERS.keys() and len(names) == 15
  assert all(TASKS[name]().name == name for name in names)


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name):
  # an even one where the answer depends on it most
  longest = 12 if name in ("modular_arithmetic", "odds_first") else 13
  strings = check_answers(name, TASKS[name](length=longest), 400)
  lengths = {len(s) for s in strings}
  odd = name == "modular_arithmetic"
  assert lengths == set(range(1, longest + 1, 2 if odd else 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_to_the_shortest_string(name):
  check_answers(name, TASKS[name](length=1), 20)


@pytest.mark.slow
@pytest.mark.parametrize(
  "name",
  [n for n in ANSWERS if n.startswith(("binary", "compute", "stack", "solve"))],
)
def test_answers_to_the_longest_strings_of_the_paper(name):
  strings = check_answers(name, TASKS[name](length=500, shortest=499), 8)
  assert {len(s) for s in strings} <= {499, 500}


@pytest.mark.parametrize("values", [dict(length=7, shortest=3), dict(length=9)])
def test_lengths_are_uniform(values):
  config = TASKS["parity"](**values)
  lengths = [len(s) for s in draw(config, 3000)[0]]
  counts = np.bincount(lengths, minlength=config.length + 1)
  assert counts[: config.shortest].sum() == 0
  assert_distribution(counts[config.shortest :])


@pytest.mark.parametrize(
  "name, symbols",
  [("parity", 2), ("cycle_navigation", 3), ("bucket_sort", 5)],
)
def test_strings_are_uniform(name, symbols):
  strings = draw(TASKS[name](length=3, shortest=3), 4000)[0]
  codes = [np.dot(s, symbols ** np.arange(3)) for s in strings]
  assert_distribution(np.bincount(codes, minlength=symbols**3))


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_nonzero_numbers_are_uniform(length):
  keys = jax.random.split(jax.random.key(length), 4000)
  bits = jax.vmap(
    lambda key: chomsky_binary.nonzero(key, jax.numpy.asarray(length), 6)
  )(keys)
  counts = np.bincount([number(row) for row in np.asarray(bits)])
  assert counts[0] == 0 and len(counts) == 2**length
  if length > 1:
    assert_distribution(counts[1:])


def test_the_sum_sign_stands_anywhere():
  strings = draw(TASKS["binary_addition"](length=9, shortest=9), 3000)[0]
  places = np.bincount([s.index(2) for s in strings], minlength=9)
  assert places[[0, 8]].sum() == 0
  assert_distribution(places[1:8])
  a, b = zip(*map(operands, strings))
  assert min(a) > 0 and min(b) > 0


def test_two_bits_and_no_sign_are_any_number_but_the_greatest():
  strings = draw(TASKS["binary_addition"](length=2, shortest=2), 3000)[0]
  assert_distribution(np.bincount([number(s) for s in strings]))
  assert max(number(s) for s in strings) == 2


def test_the_stack_has_any_height_at_first_and_any_moves():
  strings = draw(TASKS["stack_manipulation"](length=8, shortest=8), 3000)[0]
  heights = [sum(symbol < 2 for symbol in s) for s in strings]
  assert all(max(s[:h]) < 2 for s, h in zip(strings, heights))
  assert_distribution(np.bincount(heights)[1:])
  assert max(heights) == 7
  symbols = np.bincount(np.concatenate(strings))
  assert_distribution(symbols[:2])
  assert_distribution(symbols[2:])


def test_the_missing_symbol_is_any():
  strings = draw(TASKS["missing_duplicate"](length=9, shortest=9), 3000)[0]
  assert_distribution(np.bincount([s.index(2) for s in strings], minlength=8))


def test_expressions_are_cut_anywhere():
  # (left op right) of 9 symbols: left has 1 .. 5.
  config = TASKS["modular_arithmetic_brackets"](length=9, shortest=9)
  strings = draw(config, 4000)[0]
  lefts, operators = [], []
  for string in strings:
    depth = np.cumsum([(s == 7) - (s == 8) for s in string])
    # the operator of the whole: a sign inside one bracket that is not unary
    place = next(
      i for i in range(2, 9) if depth[i] == 1 and string[i] in (5, 6, 9)
    )
    lefts.append(place - 1)
    operators.append((5, 6, 9).index(string[place]))
  assert_distribution(np.bincount(lefts, minlength=6)[1:])
  assert_distribution(np.bincount(operators))
  symbols = np.bincount(np.concatenate(strings), minlength=10)
  assert_distribution(symbols[:5])


def test_digits_and_operators_are_uniform():
  config = TASKS["modular_arithmetic"](length=5, shortest=5)
  strings = np.array(draw(config, 1000)[0])
  assert_distribution(np.bincount(strings[:, ::2].ravel()))
  assert_distribution(np.bincount(strings[:, 1::2].ravel())[5:])


def test_the_unknown_is_the_next_digit_from_any_place():
  # (d+d)=d: starts 0 and 1 lead to the first digit, 2 and 3 to the second, and
  # from 4 on to the first again.
  config = TASKS["solve_equation"](length=7, shortest=7)
  places = [s.index(9) for s in draw(config, 3000)[0]]
  assert_distribution(np.bincount(places)[[1, 3]], [3 / 5, 2 / 5])


@pytest.mark.parametrize("name", ["cycle_navigation", "bucket_sort"])
def test_other_alphabets(name):
  if name == "bucket_sort":
    config = TASKS[name](length=9, buckets=3)
    assert config.spec() == ("tokens", 4, 3, "cross_entropy")
    check_answers(name, config, 50)
  else:
    config = TASKS[name](length=9, cycle=3)
    strings, examples = draw(config, 50)
    assert config.spec() == ("tokens", 4, 3, "cross_entropy")
    for s, row in zip(strings, examples.targets):
      assert row[len(s)] == (s.count(2) - s.count(0)) % 3


@functools.cache
def arithmetic():
  return jax.jit(
    lambda a, b: (
      chomsky_binary.add(a, b),
      *chomsky_binary.subtract(a, b),
      chomsky_binary.multiply(a, b),
    )
  )


def test_arithmetic_of_all_small_numbers():
  n = 5
  bits = np.array([[v >> i & 1 for i in range(n)] for v in range(2**n)])
  a, b = np.repeat(bits, 2**n, 0), np.tile(bits, (2**n, 1))
  total, less, below, times = jax.vmap(arithmetic())(a, b)
  x, y = np.repeat(range(2**n), 2**n), np.tile(range(2**n), 2**n)
  weight = 2 ** np.arange(n)
  np.testing.assert_array_equal(total @ weight, (x + y) % 2**n)
  np.testing.assert_array_equal(less @ weight, (x - y) % 2**n)
  np.testing.assert_array_equal(below, x < y)
  np.testing.assert_array_equal(times @ weight, x * y % 2**n)


def test_roots_of_all_small_numbers():
  for n in (7, 8):
    bits = np.array([[int(d) for d in f"{v:b}".zfill(n)] for v in range(2**n)])
    roots = jax.vmap(
      lambda row: chomsky_binary.square_root(row, jax.numpy.asarray(n))
    )(bits)
    values = roots @ 2 ** np.arange((n + 1) // 2)[::-1]
    np.testing.assert_array_equal(values, [math.isqrt(v) for v in range(2**n)])


@pytest.mark.parametrize(
  "name, values, message",
  [
    ("parity", dict(shortest=41), "task.shortest: 41 is more than .* 40"),
    ("parity", dict(length=0), "task.length: must be at least 1"),
    ("parity", dict(loss="binary"), "task.loss: unknown name"),
    ("parity", dict(shortest=0), "task.shortest: must be at least 1"),
    ("cycle_navigation", dict(cycle=1), "task.cycle: must be at least 2"),
    ("bucket_sort", dict(buckets=1), "task.buckets: must be at least 2"),
    ("solve_equation", dict(modulus=1), "task.modulus: must be at least 2"),
    ("modular_arithmetic", dict(modulus=2000), "task.modulus: .* at most 1000"),
  ],
)
def test_what_is_refused(name, values, message):
  config = char_lm.get_config("tiny")
  config.task = TASKS[name](**values)
  with pytest.raises(ConfigError, match=message):
    validate(config)
    config.task.check()
