"""Where a run spends its time: the samples of `perf record`, by the stages of the run's report and by function.

    perf record -F 97 -o perf.data target/x86_64-unknown-linux-gnu/release/examples/run_request map REQUEST.json > report.json
    python bench/profile.py perf.data report.json [--most 8]

Stages follow one another from the first sample on, for as long as the report says. Samples are of processors, not of time: where a stage waits for a disk it has few.
"""

import argparse
import json
import re
import subprocess
from collections import Counter, defaultdict

SAMPLE = re.compile(r"\s*([\d.]+):\s+[0-9a-f]+\s+(.*)$")
# What the names of Rust hold that is the same in all of them.
PLAIN = [(r"<gigamapper_core::distance::lane::Lane as gigamapper_core::distance::lane::DistanceTile>", "Lane"), (r"gigamapper_core::", "")]


def samples(data: str) -> list[tuple[float, str]]:
    """Seconds from the first sample on, and the function, of each sample."""
    script = subprocess.run(["perf", "script", "-i", data, "-F", "time,ip,sym", "-G"], check=True, capture_output=True, text=True)
    found = [(float(match[1]), match[2].strip()) for match in map(SAMPLE.match, script.stdout.splitlines()) if match]
    if not found:
        raise SystemExit(f"{data} has no samples")
    return [(time - found[0][0], function) for time, function in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="what perf recorded")
    parser.add_argument("report", help="what the run printed")
    parser.add_argument("--most", type=int, default=8, help="functions of each stage (default: 8)")
    arguments = parser.parse_args()
    with open(arguments.report, encoding="utf-8") as file:
        report = json.load(file)
    stages = report.get("report", report)["stages"]
    taken = samples(arguments.data)
    by_stage = defaultdict(Counter)
    for time, function in taken:
        for pattern, plain in PLAIN:
            function = re.sub(pattern, plain, function)
        end = 0.0
        for stage in stages:
            end += stage["seconds"]
            if time < end:
                break
        by_stage[stage["stage"]][function] += 1
    for stage in stages:
        functions = by_stage[stage["stage"]]
        share = sum(functions.values()) / len(taken)
        print(f"{stage['stage']}: {stage['seconds']:.1f} s, {share:.1%} of the samples")
        for function, count in functions.most_common(arguments.most):
            print(f"  {count / len(taken):6.2%}  {function}")


if __name__ == "__main__":
    main()
