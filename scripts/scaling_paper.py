"""Where the time of an update would go on many accelerators, on paper."""

from typing import NamedTuple

from absl import flags

# NVIDIA, "H100 Tensor Core GPU" data sheet (SXM): dense bfloat16, HBM3, half of
# NVLink's 900 GB/s a direction. NVIDIA, "DGX H100" data sheet: eight network
# ports of 400 Gb/s for eight GPUs.
_SOURCE = "NVIDIA's data sheets of H100 SXM and DGX H100"
_NUMBERS = {
  "peak_flops": (989.5e12, "FLOP/s of one accelerator"),
  "memory_bandwidth": (3.35e12, "bytes/s of its memory"),
  "near_bandwidth": (450e9, "bytes/s that it sends inside its host"),
  "far_bandwidth": (50e9, "bytes/s that it sends between hosts"),
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
  for name, (default, text) in _NUMBERS.items():
    flags.DEFINE_float(name, default, text, lower_bound=1.0, flag_values=values)
  flags.DEFINE_integer(
    "devices_a_host", 8, "accelerators", lower_bound=1, flag_values=values
  )
  flags.DEFINE_string(
    "source", _SOURCE, "where these numbers are from", flag_values=values
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


def table(counted: dict, config, values) -> str:
  rows = config.train.batch_size
  lines = [
    "### On paper",
    "",
    f"Layers of {', '.join(map(str, config.model.hidden_sizes))} units,"
    f" {rows} rows on each accelerator, products in {config.model.precision}:"
    f" {counted['flops']:,} FLOPs and {counted['bytes']:,} bytes of products,"
    f" {counted['gradient_bytes']:,} bytes of gradient, all counted."
    f" {values.peak_flops:.4g} FLOP/s, {values.memory_bandwidth:.4g} bytes/s of"
    f" memory, {values.near_bandwidth:.4g} bytes/s to the"
    f" {values.devices_a_host} of a host, {values.far_bandwidth:.4g} beyond:"
    f" {values.source}. Latencies are not counted, nor what is not a product;"
    " nothing stays in a cache; the gradient is sent after the last product.",
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
