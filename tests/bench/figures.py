"""figures: measured values with their intervals and the bars that they are held against."""

import dataclasses
import math

AT_MOST, AT_LEAST = "<=", ">="


@dataclasses.dataclass(frozen=True)
class Figure:
    """`value` with its 95 % interval; `limit` None: reported only."""

    bar: str  # the group that it belongs to
    python: str
    case: str
    quantity: str
    value: float
    low: float
    high: float
    unit: str = ""
    sense: str = AT_MOST
    limit: float | None = None
    note: str = ""

    def met(self):
        if self.limit is None:
            return None
        # The limit as a decimal has no exact binary form; a value that equals it meets it.
        slack = 1e-9 * max(1.0, abs(self.limit))
        if self.sense == AT_MOST:
            return self.value <= self.limit + slack
        return self.value >= self.limit - slack

    def relaxed(self, factor):
        """The same against a bar that is `factor` times as far off: the failure allowed grows, so
        99.9 % kept becomes 99 % at ten times."""
        if self.limit is None:
            return self
        limit = 100 - (100 - self.limit) * factor if self.sense == AT_LEAST else self.limit * factor
        return dataclasses.replace(self, limit=limit)


def number(value):
    if math.isinf(value) or math.isnan(value):
        return "?"
    if value == 0 or abs(value) >= 1000:
        return "{:,.0f}".format(value)
    return "%.3g" % value


def table(figures):
    """Markdown, one table per bar, with the figures in the order in which they were measured."""
    lines = []
    for bar in dict.fromkeys(figure.bar for figure in figures):
        lines += [
            "", "## %s" % bar, "",
            "| Python | case | figure | value [95 %] | bar | met | note |",
            "|---|---|---|---|---|---|---|",
        ]
        for figure in figures:
            if figure.bar != bar:
                continue
            unit = " " + figure.unit if figure.unit else ""
            limit = "" if figure.limit is None else "%s %s%s" % (
                figure.sense, number(figure.limit), unit
            )
            met = {None: "", True: "yes", False: "**no**"}[figure.met()]
            value = "%s [%s, %s]%s" % (
                number(figure.value), number(figure.low), number(figure.high), unit
            )
            cells = [figure.python, figure.case, figure.quantity, value, limit, met, figure.note]
            lines.append("| %s |" % " | ".join(cells))
    return "\n".join(lines) + "\n"
