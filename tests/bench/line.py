"""What a line of the table is: the subjects it compares, and what is owed of their figures."""
import dataclasses
import statistics
from collections.abc import Callable


@dataclasses.dataclass
class Subject:
    """One server at one work. `start(bench)` returns it running, with .pid, .stop() and perhaps
    .data; `measure(server, seconds)` returns {metric: figure}. It lives for the whole line, or for
    one turn where `fresh` is true: then measure() sees a server that has done nothing before."""
    name: str
    start: Callable
    measure: Callable
    fresh: bool = False


@dataclasses.dataclass
class Owed:
    """median(metric of `of`) / median(metric of `to`) is at least or at most `bound`; without `to`,
    the median itself."""
    metric: str
    of: str
    to: str | None
    bound: float
    most: bool = False

    def verdict(self, subjects):
        """(what is owed in words, the figure, whether it is met), or None where a subject is missing."""
        if self.of not in subjects or self.to and self.to not in subjects:
            return None
        value = median(subjects[self.of][self.metric])
        if self.to:
            value /= median(subjects[self.to][self.metric])
        words = f"{self.metric} of {self.of}" + (f" / {self.to}" if self.to else "")
        sign = "≤" if self.most else "≥"
        return (f"{words} {sign} {self.bound:g}", value,
                value <= self.bound if self.most else value >= self.bound)


@dataclasses.dataclass
class Line:
    name: str
    title: str
    subjects: list
    owed: list


median = statistics.median


def at_least(metric, to, bound, of="diskv"):
    return Owed(metric, of, to, bound)


def at_most(metric, to, bound, of="diskv"):
    return Owed(metric, of, to, bound, most=True)
