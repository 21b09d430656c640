"""Writes `docs/run.svg`: what a terminal shows of `make run`, taken from a real run.

python tools/draw_run.py                  # runs examples/run.py --once in a terminal of its own
"""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "run.svg"
WIDTH = 118
SECTION_LINES = 19


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        output: list[bytes] = []

        def read(descriptor: int) -> bytes:
            data = os.read(descriptor, 4096)
            output.append(data)
            return data

        os.environ["COLUMNS"] = str(WIDTH)
        status = pty.spawn([sys.executable, str(ROOT / "examples" / "run.py"), "--once", "--data", str(Path(folder) / ".ground")], read)
        if status:
            raise SystemExit("the run failed; no picture of it is drawn")
    text = b"".join(output).decode(errors="replace").replace("\r\n", "\n").replace(folder + "/", "")
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi("$ make run\n" + _shortened(text)), soft_wrap=False, no_wrap=True, overflow="ellipsis")
    drawing = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="make run"), flags=re.S)  # no font from elsewhere
    PICTURE.write_text(re.sub(r"[ \t]+$", "", drawing, flags=re.M))


def _shortened(text: str) -> str:
    """The first lines of each section; a picture is for a look, not for reading all."""
    out: list[str] = []
    section: list[str] = []
    for line in [*text.splitlines(), "\033[1m── end"]:
        if "── " in line and line.lstrip().startswith("\033[1m──"):
            out += section[:SECTION_LINES]
            if len(section) > SECTION_LINES:
                out.append(f"  … {len(section) - SECTION_LINES} more lines")
            section = [line]
        else:
            section.append(line)
    return "\n".join(out)


if __name__ == "__main__":
    main()
