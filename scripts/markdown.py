"""Tables of reports and pages."""


def table(header: list[str], rows: list[list]) -> str:
  lines = [header, ["-"] * len(header), *rows]
  cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
  return "\n".join("| " + " | ".join(line) + " |" for line in cells)
