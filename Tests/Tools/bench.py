"""Measure vmrun against native and against other ways to run Linux programs, and print ratios (`make bench` and its kin).

    make bench            programs from start to exit, beside the peers that Debian has; then the growth curves
    make bench-quick      the same programs natively and under vmrun only, in less than two minutes
    make bench-spawn      processes, threads, and talk between them
    make bench-paths      calls on paths
    make bench-growth     how costs grow

Absolute times mean nothing on a shared machine, so everybody runs a row in turns, and medians are compared. No threshold is
checked here and none in the tests: a person reads the tables. With --write they replace those in docs/performance.md.
"""

import argparse
import pathlib
import sys
import time

from benchmark import growth, measure, plot, report, runners, workloads
from benchmark.measure import Failure, Sample

DOCUMENT = runners.ROOT / "docs" / "performance.md"
PLOT = runners.ROOT / "docs" / "performance.svg"
TURNS = 3


class Bench:
    """Runs rows, everybody in turns."""

    def __init__(self, everybody, seconds, least):
        self.runners = everybody
        #: What one runner may spend on a row, as long as it has made `least` runs.
        self.seconds = seconds
        self.least = least

    def run(self, row):
        """A sample of every runner, by its name."""
        samples = {runner.name: Sample() for runner in self.runners}
        rounds, expected = {}, None
        for runner in self.runners:
            sample = samples[runner.name]
            before = time.monotonic()
            try:
                if not runner.is_there:
                    raise Failure(f"no {runner.prefix[0]}")
                output = runner.capture(row.command)
                if not row.reports:
                    output = sorted(output.splitlines())
                    expected = output if expected is None else expected
                    if output != expected:
                        raise Failure("it prints something else")
            except Failure as failure:
                sample.failure = str(failure)
                continue
            took = max(time.monotonic() - before, 0.001)
            rounds[runner.name] = min(row.runs, max(self.least, int(self.seconds / took)))
        for turn in range(TURNS):
            for runner in self.runners:
                sample = samples[runner.name]
                if sample.failure:
                    continue
                total = rounds[runner.name]
                runs = total * (turn + 1) // TURNS - total * turn // TURNS
                if not runs:
                    continue
                try:
                    sample.values += self.values(runner, row, runs)
                except Failure as failure:
                    sample.failure = str(failure)
        return samples

    @staticmethod
    def values(runner, row, runs):
        if not row.reports:
            return runner.wall(row.command, runs, row.before)
        return [measure.reported(runner.capture(row.command), row.reports, row.divisor) for _ in range(runs)]

    def table(self, rows):
        """Runs all rows and prints the table as it grows; (its lines, the samples of each row)."""
        has_targets = any(row.target for row in rows)
        lines = report.heading(self.runners, has_targets)
        print("\n".join(lines), flush=True)
        results = []
        for row in rows:
            samples = self.run(row)
            results.append((row, samples))
            lines.append(report.line(row, samples, self.runners, has_targets))
            print(lines[-1], flush=True)
        return lines, results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", nargs="?", default="programs", choices=["programs", "spawn", "paths", "growth"])
    parser.add_argument("--vmrun", default=str(runners.ROOT / "build" / "vmrun"))
    parser.add_argument("--quick", action="store_true", help="native and vmrun only, few runs, and nothing is written")
    parser.add_argument("--no-peers", action="store_true", help="native and vmrun only")
    parser.add_argument("--switches", action="store_true", help="a column for vmrun without each rung of the ladder")
    parser.add_argument("--write", action="store_true", help="replace the section's table in docs/performance.md")
    parser.add_argument("-k", metavar="TEXT", default="", help="only rows whose title contains TEXT")
    options = parser.parse_args()
    # Half a table is none.
    options.write = options.write and not options.k and not options.quick
    workloads.prepare()
    machine = report.machine(options.vmrun)
    print(machine + "\n", flush=True)
    if options.section == "growth":
        lines = growth.tables(runners.native(), runners.vmrun(options.vmrun)[0], pathlib.Path(options.vmrun), options.k)
        if options.write:
            report.write(DOCUMENT, "growth", [machine, "", *lines])
        return 0
    others = [] if options.quick or options.no_peers else runners.peers()
    everybody = [runners.native(), *runners.vmrun(options.vmrun, options.switches), *others]
    bench = Bench(everybody, 2 if options.quick else 6, 1 if options.quick else 3)
    rows = {"programs": workloads.programs, "spawn": workloads.processes, "paths": workloads.paths}[options.section]()
    lines, results = bench.table([row for row in rows if options.k in row.title])
    notes = report.notes(results, everybody)
    print("\n".join(["", *notes]))
    if options.write:
        if options.section == "programs":
            PLOT.write_text(plot.ratios(results, everybody))
            notes = [*notes, "", f"![Ratios to native]({PLOT.name})"]
        report.write(DOCUMENT, options.section, [machine, "", *lines, "", *notes])
    return 0


if __name__ == "__main__":
    sys.exit(main())
