"""Tables in Markdown, and their place in a document."""

import os
import pathlib
import re
import subprocess


#: Closer than this is the same: rows that only compute differ by chance.
EVEN = 1.05


def machine(vmrun):
    """What the numbers were made on: processor, kernel, kind of KVM, and what else went on."""
    told = dict(re.findall(r"^(.+?): (.+)$", subprocess.run([vmrun, "doctor"], capture_output=True, text=True, check=False).stdout,
                           re.MULTILINE))
    model = re.search(r"^model name\s*: (.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"Machine: {os.cpu_count()} processors ({model[1].strip() if model else os.uname().machine}), {memory:.0f} GiB, "
            f"Linux {os.uname().release}. KVM: {told.get('kind of KVM', 'unknown')}; an exit costs "
            f"{told.get('cost of an exit', 'unknown').partition(',')[0]}. Load before: {os.getloadavg()[0]:.2f}. vmrun: "
            f"{os.path.getsize(vmrun) / 2**20:.2f} MiB. Times: median (least to most); ratios: to the native median.")


def heading(everybody, has_targets):
    native, vmrun, *others = [runner.version() for runner in everybody]
    names = ["what", native, vmrun, "ratio", *(["target"] if has_targets else []), *others]
    return ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]


def line(row, samples, everybody, has_targets):
    """One row: times of native and vmrun, ratios of all."""
    native, vmrun, *others = (samples[runner.name] for runner in everybody)
    own = ratio(vmrun, native)
    if own and not vmrun.failure:
        own = "**" + own.replace(" ", "** ", 1)
    cells = [f"{row.title} ({row.unit})", times(native), times(vmrun), own]
    if has_targets:
        cells.append(f"{row.target:g}" if row.target else "")
    for runner, sample in zip(everybody[2:], others):
        note = f"; {runner.note}" if runner.note and row.has_children and not sample.failure else ""
        cells.append(ratio(sample, native) + note)
    return "| " + " | ".join(cells) + " |"


def times(sample):
    if sample.failure:
        return f"fails: {sample.failure}"
    return f"{number(sample.median)} ({number(min(sample.values))} to {number(max(sample.values))})"


def ratio(sample, native):
    if sample.failure:
        return f"fails: {sample.failure}"
    found = sample.ratio(native)
    return f"{number(found[0])} ({number(found[1])} to {number(found[2])})" if found else ""


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def notes(results, everybody):
    """How vmrun did against its targets, and against the best of those that isolate."""
    reached = missed = 0
    misses, slower = [], []
    others = [runner for runner in everybody[2:] if runner.isolates and not runner.name.startswith("vmrun")]
    for row, samples in results:
        native, vmrun = samples[everybody[0].name], samples[everybody[1].name]
        found = vmrun.ratio(native)
        if row.target:
            met = found is not None and found[0] <= row.target
            reached, missed = reached + met, missed + (not met)
            if not met:
                misses.append(f"{row.title} ({number(found[0]) if found else 'fails'} for {row.target:g})")
        # What runs its children natively does not isolate them.
        best = min((samples[runner.name].median for runner in others
                    if not samples[runner.name].failure and not (runner.note and row.has_children)), default=None)
        if best is not None and (vmrun.failure or vmrun.median > best * EVEN):
            slower.append(row.title)
    lines = []
    if reached + missed:
        lines.append(f"Targets met: {reached} of {reached + missed}." + (f" Missed: {'; '.join(misses)}." if misses else ""))
    if others:
        lines.append("Slower than the best peer that isolates: " + (", ".join(slower) if slower else "none") + ".")
    return lines


def write(document, section, lines):
    """Replaces what stands between the markers of a section."""
    begin, end = f"<!-- {section}: made by make bench -->", f"<!-- {section}: end -->"
    text = document.read_text()
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{document.name} has no place for the section {section!r}")
    document.write_text(before + "\n".join([begin, *lines, end]) + after)
