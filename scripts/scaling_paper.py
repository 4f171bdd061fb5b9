"""Where the time of an update would go on many accelerators, on paper."""

from typing import NamedTuple

from absl import flags

_H100 = "NVIDIA, data sheet of the H100 Tensor Core GPU (SXM): "
_DGX = "NVIDIA, data sheet of the DGX H100: "
# What, how much, and from where.
_NUMBERS = {
  "peak_flops": (
    "FLOP/s of one accelerator",
    989.5e12,
    _H100 + "1,979 teraFLOPS in bfloat16 with sparsity, half of that without",
  ),
  "memory_bandwidth": (
    "bytes/s of its memory",
    3.35e12,
    _H100 + "3.35 TB/s",
  ),
  "near_bandwidth": (
    "bytes/s that it sends inside its host",
    450e9,
    _H100 + "NVLink, 900 GB/s in both directions",
  ),
  "far_bandwidth": (
    "bytes/s that it sends between hosts",
    50e9,
    _DGX + "eight ports of 400 Gb/s for eight GPUs",
  ),
}
_DEVICES = (1, 8, 256, 4096)


class Times(NamedTuple):
  """Seconds of one update on one accelerator."""

  products: float  # if only multiplying took time
  memory: float  # if only reading and writing for them did
  messages: float  # the sum of the gradient over all

  @property
  def total(self) -> float:
    """Products while memory is read, then messages: nothing else overlaps."""
    return max(self.products, self.memory) + self.messages


def define_flags(values: flags.FlagValues):
  for name, (text, default, _) in _NUMBERS.items():
    flags.DEFINE_float(name, default, text, lower_bound=1.0, flag_values=values)
  flags.DEFINE_integer(
    "devices_a_host", 8, "accelerators", lower_bound=1, flag_values=values
  )
  flags.DEFINE_string(
    "source", "", "where other numbers are from", flag_values=values
  )


def estimate(counted: dict, devices: int, values) -> Times:
  """Times with so many accelerators, each with rows of its own.

  counted: flops and bytes of one's products, and gradient_bytes.
  values: the flags above. A ring over n accelerators sends 2 (n - 1) / n times
    the gradient from each (Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce
    algorithms for clusters of workstations").
  """
  inside = devices <= values.devices_a_host
  link = values.near_bandwidth if inside else values.far_bandwidth
  sent = 2 * (devices - 1) / devices * counted["gradient_bytes"]
  return Times(
    counted["flops"] / values.peak_flops,
    counted["bytes"] / values.memory_bandwidth,
    sent / link,
  )


def sources(values) -> list[str]:
  """Rows of a table: what each peak is, and where it is from."""
  rows = []
  for name, (text, default, source) in _NUMBERS.items():
    number = values[name].value
    if number != default:
      source = values.source or f"--{name}"
    rows.append(f"| {text} | {number:.4g} | {source} |")
  return rows


def table(counted: dict, config, values) -> str:
  rows = config.train.batch_size
  lines = [
    "### On paper",
    "",
    f"Layers of {', '.join(map(str, config.model.hidden_sizes))} units,"
    f" {rows} rows on each accelerator, products in {config.model.precision}:"
    f" {counted['flops']:,} FLOPs and {counted['bytes']:,} bytes of products,"
    f" {counted['gradient_bytes']:,} bytes of gradient, all counted. Hosts have"
    f" {values.devices_a_host} accelerators. Latencies are not counted, nor"
    " what is not a product; nothing stays in a cache; the gradient is sent"
    " after the last product.",
    "",
    "| peak | | source |",
    "|---|---|---|",
    *sources(values),
    "",
    "| accelerators | rows in all | products, ms | memory, ms | messages, ms"
    " | messages | efficiency |",
    "|---|---|---|---|---|---|---|",
  ]
  alone = estimate(counted, 1, values).total
  for devices in _DEVICES:
    times = estimate(counted, devices, values)
    products, memory, messages = (f"{1e3 * seconds:.4g}" for seconds in times)
    lines.append(
      f"| {devices:,} | {rows * devices:,} | {products} | {memory} |"
      f" {messages} | {100 * times.messages / times.total:.0f} % |"
      f" {100 * alone / times.total:.0f} % |"
    )
  return "\n".join(lines)
