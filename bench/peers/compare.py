"""Lets every side take its turn, and prints what they took as Markdown.

Each side is a process of its own that keeps its data loaded. Between two others it is kraite's turn again, so that
whatever else the machine does meets all of them.
"""

import json
import os
import platform
import subprocess
import sys
import sysconfig
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PLACE = HERE / "target"
DATA = PLACE / "data"
KRAITE = PLACE / "release/kraite-bench-peers"
ROUNDS = int(os.environ["ROUNDS"])
ALL = os.environ["ALL"] == "1"


class Side:
    def __init__(self, name, *words, seldom=False):
        self.name = name
        self.words = words
        self.wanted = ALL or not seldom
        self.took = []
        self.told = {}

    def start(self):
        program, *words = self.words
        command = [KRAITE, "side"] if program == "kraite" else [sys.executable, HERE / f"{program}_side.py"]
        self.errors = PLACE / f"{'-'.join(self.words)}.log"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*command, DATA, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.version = self.answer()["version"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            raise SystemExit(f"{self.name} has ended with status {status}:\n{self.errors.read_text()[-2000:]}")
        return json.loads(line)

    def turn(self, counts):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told = self.answer()
        if counts:
            self.took.append(told["cpu_s"])
            self.told = told
        print(f"  {self.name}: {told['cpu_s']:.4f} s", file=sys.stderr, flush=True)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def each(self):
        """Nanoseconds of processor time for a bar, a trade, or a row."""
        return median(self.took) * 1e9 / self.told["items"]


BARS = [
    Side("kraite, by prices", "kraite", "bars"),
    Side("kraite, every bar", "kraite", "every-bar"),
    Side("backtesting.py, five limit buys", "backtesting", "below"),
    Side("backtesting.py, kraite's ladder", "backtesting", "market"),
    Side("nautilus_trader, five limit buys", "nautilus", "bars", "below"),
    Side("nautilus_trader, kraite's ladder", "nautilus", "bars", "market", seldom=True),
    Side("nautilus_trader, no orders", "nautilus", "bars", "idle", seldom=True),
]
TRADES = [
    Side("kraite, by prices", "kraite", "trades"),
    Side("kraite, every trade", "kraite", "every-trade"),
    Side("hftbacktest, hash map", "hftbacktest", "hash"),
    Side("hftbacktest, ROI vector", "hftbacktest", "roi"),
    Side("nautilus_trader, five limit buys", "nautilus", "trades", "below"),
    Side("nautilus_trader, no orders", "nautilus", "trades", "idle", seldom=True),
]
ROWS = [
    Side("kraite's reader, into columns", "kraite", "klines"),
    Side("csv, its loop over records", "kraite", "records"),
    Side("csv, one StringRecord filled again", "kraite", "string-records"),
    Side("csv, one ByteRecord filled again", "kraite", "byte-records"),
]


def take_turns(sides, counts):
    ours, *others = [side for side in sides if side.wanted]
    for other in others:
        ours.turn(counts)
        other.turn(counts)


def row(*cells):
    print(f"| {' | '.join(str(cell) for cell in cells)} |")


def table(sides, item):
    ours = sides[0]
    row("Side", "Version", f"{item.capitalize()}s", "CPU s, least", "CPU s, median", f"ns per {item}", "÷ kraite",
        "Round trips", "Buys", "Peak MB", "Runs")
    row("---", *["---:"] * 10)
    for side in sides:
        if side.wanted:
            told = side.told
            row(side.name, side.version, f"{told['items']:,}", f"{min(side.took):.4f}", f"{median(side.took):.4f}",
                f"{side.each():,.1f}", f"{side.each() / ours.each():,.2f}", told.get("round_trips", "–"),
                told.get("buys", "–"), f"{megabytes(told):.0f}", len(side.took))


def memory(file):
    return json.loads(subprocess.check_output([KRAITE, "memory", DATA / file]))


def megabytes(told):
    return told["peak_kb"] * 1024 / 1e6


def said(*command):
    return subprocess.check_output(command, text=True, cwd=HERE).strip()


def load():
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def main():
    began, load_before = datetime.now(timezone.utc), load()
    groups = (BARS, TRADES, ROWS)
    sides = [side for group in groups for side in group if side.wanted]
    for side in sides:
        print(f"loading {side.name}", file=sys.stderr, flush=True)
        side.start()
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        for group in groups:
            take_turns(group, counts=number > 0)
    for side in sides:
        side.stop()
    some, many = memory("bars.csv"), memory("longer.csv")
    minutes = (datetime.now(timezone.utc) - began).total_seconds() / 60
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    places = ("../../kraite-core", "../../kraite-sim", "..", ":(exclude)RESULTS.md")
    changed = said("git", "status", "--porcelain", "--", *places)
    commit = said("git", "rev-parse", "--short", "HEAD") + (" and changes" if changed else "")

    print("# Beside its peers\n")
    print("Printed by `run`; what the columns mean, and what is not the same, is in [the README](../README.md).\n")
    print(f"    {os.environ['COMMAND']}\n")
    print(f"* {began:%Y-%m-%d %H:%M} UTC, {minutes:.0f} minutes, kraite at {commit}")
    print(f"* {cpu}, {os.cpu_count()} processors; load average {load_before} before, {load()} after")
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    print(f"* Python {platform.python_version()}, configured with{'' if optimised else 'out'} --enable-optimizations")
    print(f"* {said('rustc', '--version').split(' (')[0]}")
    print(f"* {ROUNDS} rounds, the first does not count\n")
    print("## Bars: P1\n")
    table(BARS, "bar")
    print("\n## Trades: P4, P5\n")
    table(TRADES, "trade")
    hashed, vector = (side.each() * side.told["items"] / side.told["events"] for side in TRADES[2:4])
    print(f"\nA trade is three events for hftbacktest: {hashed:.1f} ns each by hash map, {vector:.1f} by ROI vector.")
    print("\n## Rows of a kline file: P1\n")
    table(ROWS, "row")
    loop, strings, numbers = (ROWS[0].each() / side.each() for side in ROWS[1:])
    verdict = "at least as fast as" if loop <= 1 else "slower than"
    print(f"\nkraite's reader is {verdict} the crate's loop over its records: {loop:.2f} of it, where at most 1 is wanted;")
    print(f"{strings:.2f} of filling one StringRecord again and again, {numbers:.2f} of one ByteRecord.")
    print("\n## Memory of a run from a file: P7\n")
    row("Bars", "Round trips", "Peak MB")
    row("---:", "---:", "---:")
    for run in (some, many):
        row(f"{run['items']:,}", run["round_trips"], f"{megabytes(run):.2f}")
    print(f"\nThe ratio is {many['peak_kb'] / some['peak_kb']:.3f}; P7 wants at most 1.2, and 64 MB.")


main()
