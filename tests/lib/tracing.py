"""The system calls of a server that runs."""
import os
import subprocess
from contextlib import contextmanager

from diskvtest import curl, skip


@contextmanager
def traced(server, *options):
    """A file beside the server's directory that gets the calls of all its threads, and is whole when
    the block ends. `options` are strace's; a call that /healthz takes must be among those traced."""
    path = f"{os.path.dirname(server.dir)}/trace"
    with open(path, "wb"):
        pass
    strace = subprocess.Popen(["strace", "-f", "-qq", *options, "-o", path, "-p", str(server.pid)],
                              stderr=subprocess.DEVNULL)
    try:
        while strace.poll() is None and not os.path.getsize(path):
            curl(server.url + "/healthz")
        if strace.poll() is not None:
            skip("strace may not attach here")
        yield path
    finally:
        strace.terminate()
        strace.wait()
