"""File systems of a test's own, which take root to mount."""
from contextlib import contextmanager
import os
import shutil
import subprocess
import tempfile

from diskvtest import skip

MKFS = {"ext4": ["mkfs.ext4", "-q", "-m", "0"], "xfs": ["mkfs.xfs", "-q"], "btrfs": ["mkfs.btrfs", "-q"]}


@contextmanager
def mounted(kind, mib):
    """A mounted file system, of so many MiB where it has a size."""
    with tempfile.TemporaryDirectory() as work:
        where, image = f"{work}/disk", f"{work}/image"
        os.mkdir(where)
        command = ["mount", "-t", kind, "-o", f"size={mib}m", kind, where]
        if kind in MKFS:
            if not shutil.which(MKFS[kind][0]):
                skip(f"needs {MKFS[kind][0]}")
            with open(image, "wb") as file:
                file.truncate(mib << 20)
            subprocess.run([*MKFS[kind], image], stdout=subprocess.DEVNULL, check=True)
            command = ["mount", "-t", kind, "-o", "loop", image, where]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
            skip(f"cannot mount {kind} here")
        try:
            yield where
        finally:
            subprocess.run(["umount", where], check=True)
