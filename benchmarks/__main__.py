"""`make bench`: what scrubbing, pseudonyms, known names, the workbench and the lane cost; ratios of this one run."""

import sys
import tempfile
from pathlib import Path

import orjson

from benchmarks import known_names, passthrough, pseudonyms, revocations, workbench
from streams import broker
from streams.cli import main

if __name__ == "__main__":
    code = main(["bench", "--json", *sys.argv[1:]])
    print(orjson.dumps({"pseudonyms": pseudonyms.measure()}).decode())
    print(orjson.dumps({"known_names": known_names.measure()}).decode())
    print(orjson.dumps({"workbench": workbench.measure()}).decode())
    with tempfile.TemporaryDirectory() as folder, broker.start(Path(folder)) as kafka:
        print(orjson.dumps({"revocation_delay": revocations.measure(kafka.bootstrap, Path(folder))}).decode())
        rounds = [passthrough.measure(kafka.bootstrap) for _ in range(3)]
    best = sorted(rounds, key=lambda each: each["ratio"])[1]
    print(orjson.dumps({"lane_pass_through": best, "ratios": [each["ratio"] for each in rounds]}).decode())
    sys.exit(code)
