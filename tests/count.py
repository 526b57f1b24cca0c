"""count.py - sums up a run of `meson test` case by case.

    count.py testlog.json    ─►    "212 passed, 0 failed"    exit 0 when something passed and nothing failed

meson counts programs. check and pytest tell how many cases a program held, so their words are read out of the log;
a program that tells nothing counts as one case. A skipped program proves nothing: it is named, and counts on neither side.
"""
import json
import re
import sys

# check:  "93%: Checks: 15, Failures: 1, Errors: 0"
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.MULTILINE)
# pytest: "==== 1 failed, 41 passed, 2 errors in 3.21s ===="
PYTEST = re.compile(r"^=+ (.*) in [\d.]+s.* =+$", re.MULTILINE)
PYTEST_PART = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)")


def cases(text):
    """(passed, failed) as the program itself told it, or None."""
    found = CHECK.findall(text)
    if found:
        run = sum(int(f[0]) for f in found)
        bad = sum(int(f[1]) + int(f[2]) for f in found)
        return run - bad, bad
    found = PYTEST.findall(text)
    if found:
        parts = {word: int(n) for n, word in PYTEST_PART.findall(found[-1])}
        return parts.get("passed", 0), sum(n for word, n in parts.items() if word in ("failed", "error", "errors"))
    return None


def count(lines):
    passed = failed = 0
    for line in lines:
        program = json.loads(line)
        if program["result"] == "SKIP":
            print(f"skipped: {program['name']}")
            continue
        good, bad = cases(program.get("stdout", "")) or (1, 0)
        if program["result"] not in ("OK", "EXPECTEDFAIL") and bad == 0:
            # It crashed, ran out of time or failed without a word: what it said before does not make it whole.
            good, bad = max(good - 1, 0), 1
        passed += good
        failed += bad
    return passed, failed


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            passed, failed = count(log)
    except FileNotFoundError:
        passed = failed = 0
    print(f"{passed} passed, {failed} failed")
    return 0 if passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
