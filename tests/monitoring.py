"""The queries of the dashboard and of the alert rules."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.processes import ROOT

FOLDER = ROOT / "k8s" / "monitoring"
# What `k8s/monitoring/scrape.yaml` and Prometheus add to what the services say.
SCRAPED = {"app", "namespace", "pod", "node", "job", "instance"}
OPERATORS = {"and", "or", "unless"}


@dataclass(frozen=True)
class Query:
    title: str
    expr: str

    @property
    def metrics(self) -> set[str]:
        """The names of the metrics."""
        bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)', " ", self.expr)
        return set(re.findall(r"(?<![\w.$])[a-z_]\w*(?!\w|\s*\()", bare)) - OPERATORS

    @property
    def labels(self) -> set[str]:
        """The names of the labels."""
        text = re.sub(r'"[^"]*"', '""', self.expr)
        selected = re.findall(r'(\w+)(?:=~|!~|!=|=)""', text)
        grouped = ", ".join(re.findall(r"\bby \(([^)]*)\)", text))
        return {*selected, *re.findall(r"\w+", grouped)}


def queries() -> list[Query]:
    """Return all of them, as Prometheus takes them."""
    found = [Query(f"{rule['alert']} (alert)", rule["expr"]) for rule in rules()]
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            title = f"{panel['title']}: {target['legendFormat']}"
            found.append(Query(title, target["expr"].replace("$__rate_interval", "1m")))
    return found


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]
