"""Thousands of random changes with ordinary programs and through HTTP, at once: after each pause the
listing, the values and their tags are those of the files, and so is what a client of /events was told.

The seed is printed; DISKV_SEED=N repeats one, DISKV_LONG=1 makes 100,000 changes."""
import hashlib
import http.client
import json
import os
import random
import shutil
import subprocess
import threading
import time

from disktest import mounted
from diskvtest import Server, curl, main, skip, test
from livetest import FOLLOW_SECONDS, Follower, few_watches, follows, listing, stats, walk

LONG = os.environ.get("DISKV_LONG")
CHANGES = 100_000 if LONG else 1_000
OTHER_CHANGES = 10_000  # on other file systems
DISK_MIB = 512  # XFS takes no less than 300
ROUND = 100  # changes between two pauses
FILES_MAX = 200  # copies of copies would be without end
SAMPLE = 5  # values that are read after each
LOGGED = 10_000  # changes that the server remembers at least


class Driver:
    """Makes random changes in a directory, as its user would."""

    def __init__(self, root, rng):
        self.root, self.rng = root, rng
        self.away = os.path.join(os.path.dirname(root), "away")
        os.makedirs(self.away, exist_ok=True)
        self.linked = set()  # the inodes of files that have, or had, several names

    def path(self, depth=4):
        """Few names, so that changes meet."""
        names = [self.rng.choice("abcd") + self.rng.choice("12") for _ in range(self.rng.randint(1, depth))]
        return "/".join(names)

    def existing(self, folders):
        """A file, or with `folders` a directory, that is there; or a name that perhaps is not."""
        found = []
        for folder, inner, files in os.walk(self.root):
            if folder == self.root:
                inner.remove(".diskv")
            found += [os.path.join(folder, name) for name in (inner if folders else files)]
        found = [path for path in found if folders or os.path.isfile(path)]  # a pipe would keep its reader waiting
        return os.path.relpath(self.rng.choice(found), self.root) if found else self.path()

    def links_note(self):
        for folder, _, names in os.walk(self.root):
            for name in names:
                try:
                    found = os.lstat(os.path.join(folder, name))
                except OSError:
                    continue  # erased meanwhile
                if found.st_nlink > 1:
                    self.linked.add(found.st_ino)

    def run(self, script, *args):
        """What cannot be done, because the names are of another kind, is left."""
        subprocess.run(["sh", "-c", script, "sh", *args], cwd=self.root, stderr=subprocess.DEVNULL, check=False,
                       stdout=subprocess.DEVNULL, timeout=20)

    def change(self):
        self.links_note()
        folder, file, new = self.existing(True), self.existing(False), self.path()
        number = str(self.rng.randint(0, 100_000))
        self.run(*self.rng.choice([
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
            ('ln "$1" "$2"', file, new),
            ('sed -i s/1/one/ "$1"', file),
            ('truncate -s "$2" "$1"', file, str(int(number) % 5000)),
            ('echo "$2" >> "$1"', file, number),
            ('tar cf - "$1" | tar xf - -C "$2"', folder, self.existing(True)),
            ('rsync -a --delete "$1/" "$2/"' if shutil.which("rsync") else ':', folder, new),
            ('mkdir -p "$1" && echo "$2" > "$1/%value"', new, number),
            ('ln -s "$1" "$2"; mkfifo "$2.pipe"', file, new),
            ('chmod 600 "$1"; touch "$1"', file),
        ]))


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

    def comes_to(self, values, unheard):
        """Waits until it holds the values for these. The kernel tells of an edit under the name it was
        made by alone: of the others of that file, `unheard`, only that they are there is told."""
        end = time.monotonic() + FOLLOW_SECONDS
        while (told := self.values.copy()) != values:
            self.values.update({key: values[key] for key in unheard & told.keys()})
            wrong = {key: (told.get(key), values.get(key))
                     for key in told.keys() | values.keys() if told.get(key) != values.get(key)}
            assert not self.error and time.monotonic() < end, (self.error, dict(list(wrong.items())[:10]))
            time.sleep(0.02)
        assert not self.error, self.error


def sizes_and_tags(listed):
    return {key: (item["size"], item["etag"]) for key, item in listed.items()}


def write_until(s, stop, seed):
    """Writes and erases through HTTP. Names that other programs take meanwhile are refused."""
    rng = random.Random(seed)
    driver = Driver(s.dir, rng)
    connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
    while not stop.is_set():
        method, body = ("PUT", b"%d" % rng.randint(0, 10**rng.randint(1, 9))) if rng.random() < 0.7 else ("DELETE", None)
        connection.request(method, f"/keys/{driver.path()}", body)
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (201, 204, 404, 409, 503), (method, answer.status)
        time.sleep(0.01)


def file_of(s, key):
    path = os.path.join(s.dir, key)
    return path + "/%value" if os.path.isdir(path) else path


def check(s, rng, driver, replay):
    """After a pause: the listing is as the directory, and so are what was told, some values and their tags."""
    follows(s)
    listed, there = listing(s.url), walk(s.dir)
    driver.links_note()
    unheard = {key for key in there if os.stat(file_of(s, key)).st_ino in driver.linked}
    replay.comes_to(sizes_and_tags(listed), unheard)
    driver.linked.clear()
    for key in rng.sample(sorted(there), min(SAMPLE, len(there))):
        with open(file_of(s, key), "rb") as file:
            data = file.read()
        answer = curl(f"{s.url}/keys/{key}")
        assert (answer.status, hashlib.sha256(answer.body).digest()) == (200, hashlib.sha256(data).digest()), key
        assert answer.headers["etag"] == f'"{listed[key]["etag"]}"', key
        assert curl("-I", f"{s.url}/keys/{key}").headers["etag"] == answer.headers["etag"]


def drive(changes, root=None, under=()):
    seed = int(os.environ.get("DISKV_SEED") or random.randrange(10**9))
    print(f"# seed {seed}", flush=True)
    rng = random.Random(seed)
    with Server("--sync", "none", dir=root, under=under) as s:
        driver, replay = Driver(s.dir, rng), Replay(s)
        for _ in range(changes // ROUND):
            stop, failed = threading.Event(), []

            def writer(own_seed=rng.random()):
                try:
                    write_until(s, stop, own_seed)
                except BaseException as error:  # shown below
                    failed.append(error)

            thread = threading.Thread(target=writer)
            thread.start()
            for _ in range(ROUND):
                driver.change()
            stop.set()
            thread.join()
            assert not failed, failed
            check(s, rng, driver, replay)
            if len(walk(s.dir)) > FILES_MAX:
                driver.run("rm -r ./[a-c]* ../away/*")
        print("#", json.dumps(stats(s.url)), s.stderr())
        assert s.stop() == 0
        replay.join()
        assert not replay.error, replay.error


@test
def the_listing_is_as_the_files_after_random_changes():
    drive(CHANGES)


def check_other(kind):
    if not LONG:
        skip("takes long: DISKV_LONG=1")
    with mounted(kind, DISK_MIB) as path:
        drive(OTHER_CHANGES, f"{path}/data")


@test
def so_it_is_where_few_directories_can_be_watched():
    drive(CHANGES if LONG else 300, under=few_watches(10))


@test
def so_it_is_on_tmpfs():
    with mounted("tmpfs", DISK_MIB) as path:
        drive(OTHER_CHANGES if LONG else 200, f"{path}/data")


@test
def so_it_is_on_xfs():
    check_other("xfs")


@test
def so_it_is_on_btrfs():
    check_other("btrfs")


if __name__ == "__main__":
    main()
