"""The README's recipes, so that tests follow them word by word."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def section(heading: str) -> str:
    return README.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]


def commands(heading: str) -> list[dict[str, str]]:
    """Return the variables of each `make run` under a heading."""
    found = re.findall(r"`make run ([^`]*)`", section(heading))
    return [dict(re.findall(r"(\w+)=(\S+)", words)) for words in found]


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks in a language under a heading, without the list's indentation."""
    found = re.findall(rf"^   ```{language}\n(.*?)^   ```$", section(heading), re.DOTALL | re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]
