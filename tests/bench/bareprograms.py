"""Programs of ours that do a line's work and hardly anything else: what a machine allows any server. Built
below build/bench/bare."""
import os

import measure

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = {"serve": ["-pthread"], "batch": [], "inflate": ["-pthread", "-ldeflate", "-lz"]}
_built = set()


def path(name):
    """The program, built once a run; RuntimeError where it cannot be."""
    program = os.path.join(os.environ["BENCH_DIR"], "bare", name)
    if name not in _built:
        os.makedirs(os.path.dirname(program), exist_ok=True)
        try:
            measure.command("cc", "-std=gnu17", "-O2", "-o", program, os.path.join(HERE, "bare", name + ".c"),
                            *LIBRARIES[name])
        except measure.Wrong as wrong:
            raise RuntimeError(str(wrong)) from wrong
        _built.add(name)
    return program


class Loop:
    """One that measures itself: it prints how often it did its work, the seconds that took, and the
    microseconds of processor time."""

    def __init__(self, name, *words):
        self.words = [path(name), *words]

    def stop(self):
        pass


def loop(running, seconds):
    count, took, cpu = map(float, measure.command(*running.words, seconds).split())
    return {"rate": count / took, "cpu": cpu / count}
