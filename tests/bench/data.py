"""The directories that are served, made once below build/bench/data."""
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import measure
import peers
import s3

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
VALUES = {"4k": 4 * KIB, "64k": 64 * KIB, "1m": MIB, "100m": 100 * MIB, "1g": GIB}
_warm = set()
READERS = 16
CANDIDATES = 8
FOLDER = 1000  # keys are 000/000 to 999/999


def work_folder(root):
    """For folders of one turn. ext4 without a journal does not give a removed file's inode anew for minutes:
    who makes files where many were removed pays for long searches, several times the work itself. So
    each folder gets a part of the disk to itself, where the file system has such parts; folders of many
    files are removed when everything is measured; and of some new folders the quickest is taken."""
    path = tempfile.mkdtemp(prefix="work.", dir=root)
    if shutil.which("chattr"):
        subprocess.run(["chattr", "+T", path], stderr=subprocess.DEVNULL, check=False)
    return path


def making_files(path):
    """How many seconds it takes to make a few files in a directory."""
    begin = time.monotonic()
    made = [tempfile.mkstemp(dir=path) for _ in range(4)]
    seconds = time.monotonic() - begin
    for descriptor, name in made:
        os.close(descriptor)
        os.remove(name)
    return seconds


def new_folder(bench, name):
    return min((tempfile.mkdtemp(prefix=name + ".", dir=bench.work) for _ in range(CANDIDATES)), key=making_files)


def folder(bench, name):
    """The path of a data set, made now if it is not there."""
    path = os.path.join(bench.root, "data", name)
    if not os.path.exists(path):
        print(f"  making {name} …", flush=True)
        half = path + ".half"  # what an interrupted run left is made again
        shutil.rmtree(half, ignore_errors=True)
        os.makedirs(half)
        MAKERS[name](bench, half)
        os.rename(half, path)
    return path


def read(path):
    with open(path, "rb") as file:
        while file.read(MIB):
            pass


def warm(path):
    """Has all files of a directory in the page cache, once a run."""
    if path not in _warm:
        print("  reading all files once …", flush=True)
        with ThreadPoolExecutor(READERS) as readers:  # a disk is fastest when asked for much at once
            for folder_path, _, names in os.walk(path):
                for _ in readers.map(read, [os.path.join(folder_path, name) for name in names]):
                    pass
        _warm.add(path)


def write(path, size):
    """A file of random bytes."""
    with open(path, "wb") as file:
        while size:
            file.write(piece := os.urandom(min(size, MIB)))
            size -= len(piece)


def make_values(_, path):
    for name, size in VALUES.items():
        write(os.path.join(path, name), size)


def key(number):
    return f"{number // FOLDER:03}/{number % FOLDER:03}"


def make_keys(path, count, size):
    for number in range(0, count, FOLDER):
        os.makedirs(os.path.dirname(os.path.join(path, key(number))))
        for one in range(number, number + FOLDER):
            write(os.path.join(path, key(one)), size)
        if number % (100 * FOLDER) == 0 and number:
            print(f"    {number:,} of {count:,} files", flush=True)


def make_million(_, path):
    make_keys(path, 1_000_000, 4 * KIB)


def make_lists(_, path):
    """Folders of so many keys each, which are buckets to versitygw."""
    for count in 1000, 10_000, 100_000:
        make_keys(os.path.join(path, f"k{count}"), count, 16)


def make_minio(bench, path):
    """The same 100,000 keys, taken in by MinIO out of a tar, as its files are not plain."""
    server = peers.Minio(path, bench.work)
    try:
        s3.put(server.url + "/k100000")
        for start in range(0, 100_000, 10_000):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w") as tar:
                for number in range(start, start + 10_000):
                    entry = tarfile.TarInfo(key(number))
                    entry.size = 16
                    tar.addfile(entry, io.BytesIO(os.urandom(16)))
            s3.put(f"{server.url}/k100000/{start}.tar", out.getvalue(),
                   {"x-amz-meta-snowball-auto-extract": "true"})
            print(f"    {start + 10_000:,} of 100,000 objects", flush=True)
    finally:
        server.stop()


def make_gzipped(bench, path):
    """`store`: values as --compress gzip keeps them, of 1 GiB and one whose file is some 64 KiB;
    `plain`: the bytes of that file as a value of their own."""
    store, plain = os.path.join(path, "store"), os.path.join(path, "plain")
    os.makedirs(store)
    os.makedirs(plain)
    server = peers.Diskv(store, bench.work, flags=["--compress", "gzip", "--sync", "none"])
    try:
        for name, size in ("1g", GIB), ("page", 128 * KIB):
            text = os.path.join(bench.work, name)
            with open(text, "w", encoding="ascii") as file:
                while file.tell() < size:
                    file.write(os.urandom(min(MIB, size - file.tell()) // 2).hex())
            measure.command("curl", "-sfT", text, f"{server.url}/keys/{name}")
            os.remove(text)
    finally:
        server.stop()
    shutil.copyfile(os.path.join(store, "page"), os.path.join(plain, "page"))


MAKERS = {"values": make_values, "million": make_million, "lists": make_lists, "minio": make_minio,
          "gzipped": make_gzipped}
