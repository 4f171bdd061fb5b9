"""Numbers and tables as texts."""

import math

import pytest

from experiments.plain_text import align, duration, significant


@pytest.mark.parametrize(
  "value, text",
  [
    (0.00042, "0.00042"),
    (564.117, "564.1"),
    (1.83391, "1.834"),
    (27380.4, "27,380"),
    (2.5, "2.5"),
    (0.0, "0"),
    (1e12, "1e+12"),
    (math.nan, "nan"),
  ],
)
def test_digits_that_say_something(value, text):
  assert significant(value) == text


def test_more_digits():
  assert significant(1.83391, 5) == "1.8339"


@pytest.mark.parametrize(
  "value, text",
  [(2.5, "2.500"), (10.0, "10.00"), (999.96, "1000"), (math.inf, "inf")],
)
def test_zeros_keep_a_column_straight(value, text):
  assert significant(value, zeros=True) == text


@pytest.mark.parametrize(
  "seconds, text",
  [
    (0, "0:00:00"),
    (59.6, "0:01:00"),
    (3599, "0:59:59"),
    (200_000, "2 days, 7:33:20"),
  ],
)
def test_durations(seconds, text):
  assert duration(seconds) == text


def test_columns_are_below_each_other():
  assert align([("a", "bb", "c"), ("aaa", "b", "")]) == ["a    bb  c", "aaa  b"]
