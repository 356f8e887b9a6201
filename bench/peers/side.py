"""What the Python sides have in common: the drawn data, and the clock.

A side prints its version when its data is loaded, and then takes one turn for each line that it is sent.
"""

import gc
import json
import sys
import time
from pathlib import Path

import numpy as np


class Data:
    """Flat little-endian arrays; prices in whole cents, quantities in hundredths, times in milliseconds."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def array(self, name, kind):
        return np.fromfile(self.folder / f"{name}.{kind}", dtype=f"<{kind[0]}{int(kind[1:]) // 8}")

    def bars(self):
        import pandas as pd

        prices = {name: self.array(f"bars.{name}", "i32") / 100 for name in ("open", "high", "low", "close")}
        volume = self.array("bars.volume", "i64") / 100
        times = pd.to_datetime(self.array("bars.time", "i64"), unit="ms", utc=True)
        return pd.DataFrame({**prices, "volume": volume}, index=times)


def clock(run):
    """Processor time of all threads of the process, of `run` alone."""
    gc.collect()
    before = time.process_time()
    result = run()
    return time.process_time() - before, result


def peak_kb():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])


def serve(version, turn):
    """`turn` returns the processor time of its run and what the run came to."""
    # What a library prints is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"version": version}), file=answers, flush=True)
    for _ in sys.stdin:
        took, told = turn()
        print(json.dumps({"cpu_s": took, "peak_kb": peak_kb(), **told}), file=answers, flush=True)
