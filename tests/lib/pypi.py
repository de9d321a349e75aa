"""Programs from PyPI for the tests, each in an environment of its own in the build directory."""
import os
import subprocess
import sys

from diskvtest import DISKV, skip


def python_with(name, *requirements):
    """The Python of environment `name`, which has what pip makes of `requirements`: exact versions, as "redbot==2.7.1".
    Skips the running test where PyPI is not reached."""
    home = os.path.join(os.path.dirname(DISKV), name)
    python, done = os.path.join(home, "bin", "python"), os.path.join(home, "requirements")
    wanted = "\n".join(requirements)
    if os.path.exists(done) and open(done, encoding="utf-8").read() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, stdout=subprocess.PIPE)
    pip = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements],
                         check=False, stderr=subprocess.PIPE)
    if pip.returncode != 0:
        skip(f"PyPI has no {name} for us: {pip.stderr.decode(errors='replace').strip().splitlines()[-1]}")
    with open(done, "w", encoding="utf-8") as file:
        file.write(wanted)
    return python
