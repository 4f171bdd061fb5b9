"""Reading the records of scripts.benchmark_lstm."""

import numpy as np


def section(results, name) -> list[dict]:
  return [r for r in results["records"] if r["section"] == name]


def median(record) -> float | None:
  if record is None or "error" in record or not record.get("seconds"):
    return None
  return float(np.median(record["seconds"]))


def unique(records, name) -> list:
  return list(dict.fromkeys(r[name] for r in records))


def find(records, **fields) -> dict | None:
  for record in records:
    if all(record[name] == value for name, value in fields.items()):
      return record
  return None
