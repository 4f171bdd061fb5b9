"""The corpora of language modelling: what they are and where they are from."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Known:
  get: str  # what to get, and from whom
  # names of the files of the splits, or of the one file that is cut 90/5/5
  files: tuple[str, ...]
  # of each split, as the papers count them: words and line ends
  tokens: tuple[int, ...] = ()
  size: int = 0  # bytes of the one file
  # hexadecimal, of each file
  algorithm: str = "sha256"
  digests: tuple[str, ...] = ()
  # of whole lines, before they are stored
  change: Callable[[bytes], bytes] = lambda data: data


def _strip_lines(data: bytes) -> bytes:
  """Mikolov's lines begin and end with a space, which is no character of the
  text: without them there are as many as in the papers."""
  return b"".join(line.strip(b" ") + b"\n" for line in data.splitlines())


_PTB = Known(
  get=(
    "simple-examples.tgz of T. Mikolov"
    " (http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz), whose text"
    " is the Linguistic Data Consortium's"
  ),
  files=("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
  tokens=(929_589, 73_760, 82_430),
  digests=(
    "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
  ),
)
_WIKI = ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens")
KNOWN = {
  "ptb": _PTB,
  "ptb_chars": dataclasses.replace(_PTB, tokens=(), change=_strip_lines),
  "wikitext2": Known(
    get="wikitext-2-v1.zip of S. Merity et al. 2016 (Salesforce)",
    files=_WIKI,
    tokens=(2_088_628, 217_646, 245_569),
  ),
  "wikitext103": Known(
    get="wikitext-103-v1.zip of S. Merity et al. 2016 (Salesforce)",
    files=_WIKI,
    tokens=(103_227_021, 217_646, 245_569),
  ),
  "text8": Known(
    get="text8.zip of M. Mahoney (http://mattmahoney.net/dc/text8.zip)",
    files=("text8",),
    size=100_000_000,
    algorithm="md5",
    digests=("3bea1919949baf155f99411df5fada7e",),
  ),
  "enwik8": Known(
    get="enwik8.zip of M. Mahoney (http://mattmahoney.net/dc/enwik8.zip)",
    files=("enwik8",),
    size=100_000_000,
    algorithm="md5",
    digests=("a1fa5ffddb56f4953e226637dabbb36a",),
  ),
}


class TfdsSet(NamedTuple):
  """A set that TensorFlow Datasets itself downloads."""

  builder: str
  field: str  # of an example, its text
  host: str  # where it is downloaded from
  end: bytes = b"\n"  # put after every example


TFDS_SETS = {
  "tiny_shakespeare": TfdsSet(
    # one example a split
    "tiny_shakespeare",
    "text",
    "raw.githubusercontent.com",
    end=b"",
  ),
  "lm1b": TfdsSet("lm1b", "text", "www.statmt.org"),
  "wiki40b": TfdsSet("wiki40b/en", "text", "storage.googleapis.com"),
  "pg19": TfdsSet("pg19", "book_text", "storage.googleapis.com"),
}


def how_to_prepare(name: str) -> str:
  """What to do about a corpus that is missing."""
  if name in TFDS_SETS:
    return f"run: python -m scripts.prepare_data {name}"
  if name in KNOWN:
    return (
      f"get {KNOWN[name].get} and run: python -m scripts.prepare_data {name}"
      " --source=PATH"
    )
  return f"run: python -m scripts.prepare_data text --name={name} --source=PATH"
