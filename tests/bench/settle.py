"""What is made alike before a server's turn: nothing waits to be written, and free memory is real."""
import mmap
import os
import re

MOST = 2 << 30  # bytes; no turn writes that much


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def spare():
    """Half of the free memory, in bytes, so that no cached file is pushed out; less in a container that
    may use less."""
    free = int(re.search(r"^MemFree:\s+(\d+) kB", _read("/proc/meminfo"), re.M)[1]) << 10
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return min(free, int(limit) if limit.isdigit() else free) // 2


def settle():
    """A virtual machine may give free pages back to its host, and whoever is first to use such a page
    again waits for the host to find one: a file is then written at a fraction of its speed. So they are
    used here. What earlier turns wrote goes to the disk now, not beside the next turn."""
    os.sync()
    size = min(MOST, spare()) & -mmap.PAGESIZE
    if size:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()
