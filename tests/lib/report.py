"""report.py TESTLOG.JSON: the output of what failed, what was skipped, and one last line with the sums.

Counts single test cases. A program that ends otherwise than its cases say (a crash, a timeout) is one
more failure. Exits with 1 if anything failed or nothing ran.
"""
import json
import re
import sys

passed = failed = 0
try:
    with open(sys.argv[1], encoding="utf-8") as log:
        programs = [json.loads(line) for line in log]
except FileNotFoundError:
    programs = []
for program in sorted(programs, key=lambda program: program["name"]):
    name = program["name"].split(" / ")[-1]
    cases = re.findall(r"^(ok|not ok) \d+ *(?:- )?(.*)$", program.get("stdout", ""), re.M)
    skipped = [text for state, text in cases if state == "ok" and "# SKIP" in text]
    bad = sum(state == "not ok" for state, _ in cases)
    passed += len(cases) - bad - len(skipped)
    for text in skipped:
        print(f"skipped: {name}: {text.replace('# SKIP', '-').strip(' -')}")
    if bad or program["result"] not in ("OK", "SKIP"):
        failed += max(bad, 1)
        print(f"\n==== {name}: {program['result']}")
        print(program.get("stdout", ""), program.get("stderr", ""), sep="")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0 or passed == 0)
