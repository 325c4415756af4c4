"""A benchmark that answers at once, for tests of the way there and back.

It has what the agent asks of bench_tflite.py: import_runtime, BenchError, its options and its JSON.
Environment variables make it misbehave.
"""

import hashlib
import json
import os
import sys
import time


class BenchError(Exception):
    pass


class Runtime:
    name, version = "stub", "1"


def import_runtime():
    return Runtime


def options(words):
    found, rest = {}, list(words)
    while rest:
        word = rest.pop(0)
        name, sign, value = word.partition("=")
        found[name] = value if sign else rest.pop(0)
    return found


def report(given):
    path = os.path.join(given.get("--bundle", ""), given["--model"])
    with open(path, "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    return {
        "schema": "hintlite-bench/1",
        "nonce": given["--nonce"],
        "model": {"sha256": sha256, "file": os.path.basename(path)},
        "verdict": {"state": "valid", "reasons": []},
        "latency": None,
        "machine": {"emulator": None},
        "memory": None,
        "accuracy": None,
        "cwd": os.getcwd(),
    }


def main():
    given = options(sys.argv[1:])
    print("bench_tflite: warming up", file=sys.stderr, flush=True)
    time.sleep(float(os.environ.get("STUB_SLEEP", "0.1")))
    answer = report(given)
    answer["pad"] = ["x" * 1000] * (int(os.environ.get("STUB_PAD", "0")) // 1000)
    answer.update(json.loads(os.environ.get("STUB_CHANGES", "{}")))
    text = json.dumps(answer)
    depth = int(os.environ.get("STUB_NESTED", "0"))
    text = text[:-1] + ', "nested": ' + "[" * depth + "]" * depth + "}" if depth else text
    print(text[: int(os.environ.get("STUB_LENGTH", len(text)))])
    sys.stdout.flush()
    print("something else at the end", file=sys.stderr)
    return int(os.environ.get("STUB_CODE", "0"))


if __name__ == "__main__":
    sys.exit(main())
