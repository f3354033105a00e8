"""What is measured, what it should be, and how it is printed."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What a figure should be.

    Attributes:
        at_least: what it has to reach.
        aim: what it is meant to reach.
        less_is_better: both are upper bounds.
    """

    at_least: float
    aim: float
    less_is_better: bool = False

    def verdict(self, value: float) -> str:
        """Return ``aim``, ``met`` or ``missed``."""
        sign = -1 if self.less_is_better else 1
        if sign * value >= sign * self.aim:
            return "aim"
        return "met" if sign * value >= sign * self.at_least else "missed"


@dataclass(frozen=True)
class Figure:
    """A measured figure.

    Attributes:
        name: what was measured.
        unit: of all values.
        values: of all runs.
        goal: None for a figure that only explains others.
    """

    name: str
    unit: str
    values: Sequence[float]
    goal: Goal | None = None

    def row(self) -> dict[str, object]:
        """Return it as a record of the report."""
        middle = statistics.median(self.values)
        return {
            "figure": self.name,
            "unit": self.unit,
            "median": rounded(middle),
            "lowest": rounded(min(self.values)),
            "highest": rounded(max(self.values)),
            "runs": len(self.values),
            "at least": None if self.goal is None else self.goal.at_least,
            "aim": None if self.goal is None else self.goal.aim,
            "verdict": "" if self.goal is None else self.goal.verdict(middle),
        }


COLUMNS = ("figure", "unit", "median", "lowest", "highest", "runs", "at least", "aim", "verdict")


def rounded(value: float) -> float:
    """Return three significant digits, or the whole number if it has more."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.3g}")


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile, ``share`` from 0 to 1, of at least two values."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]
