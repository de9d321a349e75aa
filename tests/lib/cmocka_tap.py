"""cmocka_tap.py PROGRAM…: runs a cmocka program and prints one TAP stream.

cmocka starts a new plan and new numbers for each group, and writes a skipped test as `not ok`.
"""
import os
import re
import subprocess
import sys

count = planned = failed = 0
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True, errors="replace",
                           env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
for line in process.stdout:
    if plan := re.match(r"1\.\.(\d+)$", line):
        planned += int(plan[1])
    elif case := re.match(r"(ok|not ok) \d+ (?:- (.*)|# SKIP (.*))", line):
        count += 1
        skipped = case[3] is not None
        failed += case[1] == "not ok" and not skipped
        name = (case[2] or case[3]).replace("_", " ")
        print("ok" if skipped else case[1], count, "-", name, "# SKIP" if skipped else "", flush=True)
    else:
        print(line if line.startswith("#") else "# " + line, end="", flush=True)
code = process.wait()
if code and not failed:
    count += 1
    print(f"not ok {count} - exit code {code}")
print(f"1..{max(count, planned)}")
sys.exit(code != 0)
