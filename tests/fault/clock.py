"""A clock that was set back a day, or ahead, between two runs of a server. The values of the other runs lie in its
future or its past; no old bytes, no old ETag and no old event are taken for new ones."""
import email.utils
import glob
import json
import os
import time
from contextlib import contextmanager

from clitest import temp_dir
from diskvtest import Server, curl, main, skip, test
from livetest import FOLLOW_SECONDS, Follower

DAY = 86400
STOPPED = "2026-01-02 03:04:05"
RUNS = (0, -DAY, DAY, 0, -DAY)  # by how much the clock is wrong


@contextmanager
def serving(dir, wrong):
    """A server whose clock is wrong by so many seconds, or stands still (None). Files bear the times that the kernel
    and the server give."""
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        skip("needs faketime")
    env = {"LD_PRELOAD": library[0], "FAKETIME": STOPPED if wrong is None else f"{wrong:+}", "TZ": "UTC",
           "NO_FAKE_STAT": "1", "FAKE_UTIME": "0", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
           "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"}
    with Server(dir=dir, env=env) as s:
        date = email.utils.parsedate_to_datetime(curl(s.url).headers["date"])
        if wrong is None:
            assert f"{date:%F %T}" == STOPPED
        else:
            assert abs(date.timestamp() - time.time() - wrong) < DAY / 2
        yield s


def runs():
    """Yields a server with each of the clocks in turn, all of one directory: (number, wrong, server)."""
    with temp_dir() as d:
        for number, wrong in enumerate(RUNS):
            with serving(f"{d}/data", wrong) as s:
                yield number, wrong, s


def put(s, key, value):
    answer = curl("-T", "-", f"{s.url}/keys/{key}", input=value)
    assert answer.status in (201, 204), answer
    return answer.headers["etag"]


def read(s, key, value, old_tags=()):
    """Reads a value whole, whatever a client has kept of it before; its ETag."""
    answer = curl(f"{s.url}/keys/{key}")
    assert (answer.status, answer.body) == (200, value), (key, answer.status, answer.body[:100])
    for tag in old_tags:
        assert tag != answer.headers["etag"]
        again = curl("-H", f"If-None-Match: {tag}", f"{s.url}/keys/{key}")
        assert (again.status, again.body) == (200, value), (key, tag, again.status)
        ranged = curl("-H", f"If-Range: {tag}", "-H", "Range: bytes=0-0", f"{s.url}/keys/{key}")
        assert (ranged.status, ranged.body) == (200, value), (key, tag, ranged.status)
    return answer.headers["etag"]


def wait_listed(s, key, tag):
    end = time.monotonic() + FOLLOW_SECONDS
    while True:
        entries = {entry["key"]: entry["etag"] for entry in json.loads(curl(f"{s.url}/keys").body)["keys"]}
        if f'"{entries.get(key)}"' == tag:
            return
        assert time.monotonic() < end, (key, entries.get(key), tag)
        time.sleep(0.02)


def write(path, value, wrong):
    """As another program does while the clock is wrong."""
    with open(path, "wb") as file:
        file.write(value)
    os.utime(path, (time.time() + wrong,) * 2)


@test
def values_of_each_run_are_read_whole_in_the_others():
    values = {}
    for number, _, s in runs():
        for key, value in values.items():
            wait_listed(s, key, read(s, key, value))
        for key, size in ("small", 10), ("large", 300000):
            values[f"{number}/{key}"] = b"%d" % number * size
            put(s, f"{number}/{key}", values[f"{number}/{key}"])
        for key, value in values.items():
            wait_listed(s, key, read(s, key, value))


@test
def what_is_stored_again_in_each_run_has_a_new_etag():
    tags, value = [], None
    for number, _, s in runs():
        for step in range(3):
            if value:
                assert read(s, "a", value) == tags[-1]
            value = b"%d, %d" % (number, step)
            tag = put(s, "a", value)
            assert read(s, "a", value, tags) == tag
            wait_listed(s, "a", tag)
            tags.append(tag)


@test
def what_another_program_writes_is_read_at_once_and_soon_listed():
    tags, value = [], None
    for number, wrong, s in runs():
        for step in range(3):
            if value:  # the first time, what was written after the run before
                tags.append(read(s, "a", value, tags))
                assert read(s, "a", value) == tags[-1]
                wait_listed(s, "a", tags[-1])
            value = b"%d, %d" % (number, step)
            write(f"{s.dir}/a", value, wrong)
        tags.append(read(s, "a", value, tags))
        assert s.stop() == 0
        value = b"%d, -" % number
        write(f"{s.dir}/a", value, wrong)


@test
def who_followed_another_run_is_told_so_and_then_of_what_is_new():
    last_ids = []
    for number, wrong, s in runs():
        for last_id in last_ids:
            with Follower(s, last_id=last_id) as again:
                assert again.event() == ("reset", {}), (wrong, last_id)
                key = f"{number}/{last_id}"
                put(s, key, b"x")
                assert again.event()[1]["key"] == key
                aside = f"{s.dir}-aside"  # so that there is one event: to write and then to set the time may be two
                write(aside, b"%d, %s" % (number, last_id.encode()), wrong)
                os.rename(aside, f"{s.dir}/by-hand")
                assert again.event()[1]["key"] == "by-hand"
        with Follower(s) as f:
            put(s, "a", b"%d" % number)
            f.event()
            last_ids.append(f.last_id)


@test
def who_followed_another_run_is_told_so_though_it_began_at_the_same_time():
    """As where a machine has no clock that runs while it is off."""
    with temp_dir() as d:
        with serving(f"{d}/data", None) as s, Follower(s) as f:
            put(s, "a", b"1")
            f.event()
        with serving(f"{d}/data", None) as s, Follower(s):
            for key in "bcd":
                put(s, key, b"2")
            with Follower(s, last_id=f.last_id) as again:
                assert again.event() == ("reset", {})


if __name__ == "__main__":
    main()
