"""Everything at once to the same keys, under the thread sanitizer; for a minute, in which other tests go first."""
import os
import tempfile

from diskvtest import main, test
from tree import build_dir, must

PROGRAM = "tests/stress/stress_threads"


@test
def threads_that_share_keys_race_nowhere_and_see_no_torn_value():
    options = ["--buildtype=debugoptimized", "-Db_sanitize=thread", "-Db_lundef=false"]
    with build_dir(*options) as build:
        must("ninja", "-C", build, PROGRAM)
        for codec in ("gzip", "none") if os.environ.get("DISKV_LONG") else ("gzip",):
            with tempfile.TemporaryDirectory(prefix="diskvtest.") as temp:
                output = must("nice", "-n", "19", f"{build}/{PROGRAM}", f"{temp}/data", codec)
            assert "ThreadSanitizer" not in output, output


if __name__ == "__main__":
    main()
