"""Thousands of random changes with ordinary programs and through HTTP, at once: after each pause the
listing, the values and their tags are those of the files, and so is what a client of /events was told.

The seed is printed; DISKV_SEED=N repeats one, DISKV_LONG=1 makes 100,000 changes."""
from contextlib import contextmanager, nullcontext
import hashlib
import http.client
import json
import os
import random
import shlex
import shutil
import signal
import stat
import subprocess
import threading
import time

from disktest import mounted
from diskvtest import Server, main, skip, test
from livetest import Follower, differing, few_watches, follows, listing, settles, stats, walk

LONG = os.environ.get("DISKV_LONG")
CHANGES = 100_000 if LONG else 1_000
OTHER_CHANGES = 100_000 if LONG else 200  # on other file systems
DROPPED_CHANGES = 10_000 if LONG else 200
DISK_MIB = 512  # XFS takes no less than 300
ROUND = 100  # changes between two pauses
BATCH = 10  # of these by one shell
THERE_MAX, PATH_MAX = 300, 300  # copies of copies would be without end
HEADS = 5  # values that HEAD is asked of after each pause; GET, of all
LOGGED = 10_000  # changes that the server remembers at least
DROPPING = 0.5  # of the batches, where the kernel drops what happens
QUEUE = "/proc/sys/fs/inotify/max_queued_events"


def entries(folder):
    """All that is below, but for the store's own and what is erased meanwhile."""
    try:
        with os.scandir(folder) as found:
            inner = [entry for entry in found if entry.name != ".diskv"]
    except OSError:
        return
    for entry in inner:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from entries(entry.path)


class Driver:
    """Makes random changes in a directory, as its user would."""

    def __init__(self, root, rng):
        self.root, self.rng = root, rng
        self.away = os.path.join(os.path.dirname(root), "away")
        os.makedirs(self.away, exist_ok=True)
        self.folders, self.files = [], []
        self.linked = set()  # the inodes of files that have, or had, several names
        self.linking = threading.Lock()  # whoever erases holds it, so that no such file is missed

    def path(self):
        """Few names, so that changes meet."""
        return "/".join(self.rng.choice("abcd") + self.rng.choice("12") for _ in range(self.rng.randint(1, 4)))

    def look(self):
        """Finds out what is there, to be changed next."""
        self.folders, self.files = [], []
        for entry in entries(self.root):
            if os.path.isdir(entry.path):
                self.folders.append(os.path.relpath(entry.path, self.root))
            elif os.path.isfile(entry.path):  # a pipe would keep its reader waiting
                self.files.append(os.path.relpath(entry.path, self.root))
        self.links_note()

    def links_note(self):
        for top in self.root, self.away:
            for entry in entries(top):
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
                    self.linked.add(found.st_ino)

    def run(self, changes):
        """Makes changes, each a script and its arguments. What cannot be done, because the names are
        of another kind or gone, is left."""
        text = "\n".join(f"set -- {shlex.join(args)}\n{script}" for script, *args in changes)
        done = subprocess.run(["timeout", "60", "sh", "-c", text], cwd=self.root, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        assert done.returncode != 124, text  # Python's own timeout only looks every 50 ms whether it is over

    def has_too_much(self):
        there = self.folders + self.files
        return len(there) > THERE_MAX or max(map(len, there), default=0) > PATH_MAX

    def some(self, there):
        """One of these, or a name that perhaps is not there."""
        return self.rng.choice(there) if there else self.path()

    def change(self):
        folder, file, new = self.some(self.folders), self.some(self.files), self.path()
        number = str(self.rng.randint(0, 100_000))
        return self.rng.choice([
            ('mkdir -p "$1" && echo "$2" > "$1/f$2"', new, number),
            ('mkdir -p "$(dirname "$1")" && echo "$2" > "$1"', new, number),
            ('mkdir -p "$1/b/c" && cp "$2" "$1/b/c"', new, file),
            ('cp -r "$1" "$2"', folder, new),
            ('mv "$1" "$2"', folder, new),
            ('mv -T "$1" "$2"', folder, new),
            ('mv "$1" "$2"', file, new),
            ('mv "$1" "$2/$3"', folder, self.away, number),
            ('mv "$2/$(ls "$2" | head -1)" "$1"', new, self.away),
            ('rm -r "$1"', folder),
            ('rm "$1"', file),
            ('sed -i s/1/one/ "$1"', file),
            ('truncate -s "$2" "$1"', file, str(int(number) % 5000)),
            ('echo "$2" >> "$1"', file, number),
            ('tar cf ../tar --hard-dereference "$1" && tar xf ../tar -C "$2"', folder, self.some(self.folders)),
            ('rsync -a --no-inc-recursive --delete "$1/" "$2/"' if shutil.which("rsync") else ':', folder, new),
            ('mkdir -p "$1" && echo "$2" > "$1/%value"', new, number),
            ('ln -s "$1" "$2"; mkfifo "$2.pipe"', file, new),
            ('chmod 600 "$1"; touch "$1"', file),
        ])

    def link(self):
        folder, file = self.some(self.folders), self.some(self.files)
        return self.rng.choice([
            ('ln "$1" "$2"', file, self.path()),
            ('tar cf ../tar "$1" && tar xf ../tar -C "$2"', folder, self.some(self.folders)),
        ])

    def batch(self, meanwhile):
        """Makes changes to what was there, the last of which may give a file a further name."""
        with meanwhile:
            self.run([self.change() for _ in range(BATCH - 1)])
        with self.linking:
            self.run([self.link()])
            self.look()
            if self.has_too_much():
                self.run([('rm -r ./[!"$1"]* ../away/*', self.rng.choice("abcd"))])
                self.look()


class Replay(threading.Thread):
    """A client of /events, which knows of values what it is told, and lists them where it is told to."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.url, self.follower = s.url, Follower(s)
        self.values = {}  # key: size and tag
        self.last = {}  # key: the number of its last event, and what that said
        self.error = None
        self.start()

    def run(self):
        try:
            while (told := self.follower.event()) is not None:
                self.apply(*told)
        except BaseException as error:  # shown by its user
            self.error = error

    def apply(self, event, data):
        if event == "reset":
            self.last = {}
            self.values = sizes_and_tags(listing(self.url))
            return
        key, number = data["key"], int(self.follower.last_id)
        said = event, data.get("etag"), data.get("modified")
        before, last = self.last.get(key, (-LOGGED, None))
        assert said != last or number - before >= LOGGED, ("told again", key, said)
        self.last[key] = number, said
        if event == "put":
            self.values[key] = data["size"], data["etag"]
        else:
            self.values.pop(key, None)

    def comes_to_sizes(self, there, unheard):
        """Waits until it holds these values, as far as their sizes say. The kernel tells of an edit under
        the name it was made by alone: of the others of that file, `unheard`, only that they are there."""
        def wrong():
            assert not self.error, self.error
            told = {key: size for key, (size, _) in self.values.copy().items()}
            return differing(there, told | {key: there[key] for key in unheard & told.keys()})

        settles(wrong)

    def comes_to(self, values, unheard):
        """Waits until it holds these, their tags included, and takes the unheard ones as they are."""
        def wrong():
            assert not self.error, self.error
            self.values.update({key: values[key] for key in unheard & self.values.keys()})
            return differing(values, self.values.copy())

        settles(wrong)


def sizes_and_tags(listed):
    return {key: (item["size"], item["etag"]) for key, item in listed.items()}


def write_until(s, driver, stop, seed):
    """Writes and erases through HTTP. Names that other programs take meanwhile are refused."""
    rng = random.Random(seed)
    names = Driver(s.dir, rng)
    connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
    while not stop.is_set():
        data = b"%d" % rng.randint(0, 10**rng.randint(1, 9))
        method, body = ("PUT", data) if rng.random() < 0.7 else ("DELETE", None)
        with driver.linking:
            connection.request(method, f"/keys/{names.path()}", body)
            answer = connection.getresponse()
            answer.read()
        assert answer.status in (201, 204, 404, 409, 503), (method, answer.status)
        stop.wait(0.005)
    connection.close()


@contextmanager
def writing(s, driver, seed):
    """Has a thread do so meanwhile."""
    stop, failed = threading.Event(), []

    def write():
        try:
            write_until(s, driver, stop, seed)
        except BaseException as error:  # shown below
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failed, failed


@contextmanager
def dropped(s):
    """What happens meanwhile the kernel drops: the queue is full, and the server does not read it."""
    with open(QUEUE, encoding="ascii") as file:
        limit = int(file.read())
    paths = f"{s.dir}/flood1", f"{s.dir}/flood2"  # in turns, as what comes twice is told once
    os.kill(s.pid, signal.SIGSTOP)
    try:
        for number in range(limit + 100):
            os.close(os.open(paths[number % 2], os.O_CREAT | os.O_WRONLY))
        for path in paths:
            os.remove(path)
        yield
    finally:
        os.kill(s.pid, signal.SIGCONT)


def file_of(s, key):
    path = os.path.join(s.dir, key)
    return path + "/%value" if os.path.isdir(path) else path


def values_check(s, rng, listed):
    """Every value and its tag, on one connection, which may have to be opened anew."""
    connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)

    def ask(method, key):
        connection.request(method, f"/keys/{key}")
        answer = connection.getresponse()
        return answer, answer.read()

    for key, item in listed.items():
        with open(file_of(s, key), "rb") as file:
            data = file.read()
        answer, body = ask("GET", key)
        assert (answer.status, hashlib.sha256(body).digest()) == (200, hashlib.sha256(data).digest()), key
        assert answer.headers["ETag"] == f'"{item["etag"]}"', key
    for key in rng.sample(sorted(listed), min(HEADS, len(listed))):
        assert ask("HEAD", key)[0].headers["ETag"] == f'"{listed[key]["etag"]}"', key
    connection.close()


def check(s, rng, driver, replay):
    """After a pause: the listing is as the directory, and so are the values, their tags and what was told."""
    there = walk(s.dir)
    unheard = {key for key in there if os.stat(file_of(s, key)).st_ino in driver.linked}
    if replay:
        replay.comes_to_sizes(there, unheard)  # before a listing, which finds out itself what is gone
    follows(s)
    listed = listing(s.url)
    assert {key: item["size"] for key, item in listed.items()} == there
    values_check(s, rng, listed)
    if replay:
        replay.comes_to(sizes_and_tags(listed), unheard)
        driver.linked.clear()
        driver.links_note()


def drive(changes, root=None, under=(), dropping=0, told=1):
    """Makes so many changes, with a share `dropping` of the batches while the kernel drops what happens;
    what was told is looked at in one of `told` pauses."""
    seed = int(os.environ.get("DISKV_SEED") or random.randrange(10**9))
    print(f"# seed {seed}", flush=True)
    rng = random.Random(seed)
    with Server("--sync", "none", dir=root, under=under) as s:
        driver, replay = Driver(s.dir, rng), Replay(s)
        for number in range(1, changes // ROUND + 1):
            with writing(s, driver, rng.random()):
                for _ in range(ROUND // BATCH):
                    driver.batch(dropped(s) if rng.random() < dropping else nullcontext())
            check(s, rng, driver, replay if number % told == 0 else None)
        print("#", json.dumps(stats(s.url)), s.stderr())
        assert s.stop() == 0
        replay.join()
        assert not replay.error, replay.error


@test
def the_listing_is_as_the_files_after_random_changes():
    drive(CHANGES)


@test
def so_it_is_where_few_directories_can_be_watched():
    drive(CHANGES if LONG else 300, under=few_watches(10), told=30 if LONG else 3)  # "reset" comes every 10 s


@test
def so_it_is_where_the_kernel_drops_what_happens():
    with open(QUEUE, encoding="ascii") as file:
        if int(file.read()) > 20000:
            skip("the queue is too long to fill")
    drive(DROPPED_CHANGES, dropping=DROPPING)


def drive_on(kind):
    with mounted(kind, DISK_MIB) as path:
        drive(OTHER_CHANGES, f"{path}/data")


@test
def so_it_is_on_tmpfs():
    drive_on("tmpfs")


@test
def so_it_is_on_xfs():
    if not LONG:
        skip("takes long: DISKV_LONG=1")
    drive_on("xfs")


@test
def so_it_is_on_btrfs():
    if not LONG:
        skip("takes long: DISKV_LONG=1")
    drive_on("btrfs")


if __name__ == "__main__":
    main()
