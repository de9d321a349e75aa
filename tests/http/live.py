"""Listings follow what ordinary programs do in the directory, soon and without being asked."""
import os
import shutil
import signal
import tempfile
import time

from disktest import mounted
from diskvtest import Server, curl, main, skip, test
from livetest import differences, few_watches, follows, listing, sh, stats, walk
from tracing import traced


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@test
def a_file_copied_in_is_listed_without_being_asked_for():
    with Server() as s:
        assert listing(s.url) == {}
        sh(s, "echo hello > a.txt")
        follows(s)
        item = listing(s.url)["a.txt"]
        assert (item["size"], item["type"]) == (6, "text/plain")
        assert curl(f"{s.url}/keys/a.txt").headers["etag"] == f'"{item["etag"]}"'


@test
def each_of_these_is_followed():
    steps = [
        "mkdir -p a/b/c && echo x > a/b/c/x",
        "cp -r a copy",
        "mv a moved",
        "mv moved copy/inside",
        "mkdir -p t/u && echo 1 > t/u/one && tar cf ../t.tar t && rm -r t && tar xf ../t.tar",
        "rsync -a t/ r/ && echo 22 > t/u/two && rsync -a --delete t/ r/" if shutil.which("rsync") else "true",
        "echo abcdef > f && sed -i s/abc/x/ f",
        "ln f linked && echo more >> f",
        "truncate -s 3 f",
        "truncate -s 100000 f",
        "mv f t/u/one",
        "mkdir d && echo v > d/%value && echo w > d/w",
        "mv d e && mkdir d && echo other > d/w",
        "rm e/%value",
        "mv t ../t",
        "mv ../t t2",
        "mkdir empty && mv empty t3 && mv t2 t3",
        "rm -r copy d e",
        "ln -s t3 link && mkfifo pipe && echo x > 'bad%zz' && chmod 0 linked && chmod 644 linked",
        "mkdir one two && echo 1 > one/k && echo 2 > two/k && mv one three && mv two one && mv three two",
        "rm -r ./*",
    ]
    with Server() as s:
        for step in steps:
            sh(s, step)
            walked = walk(s.dir)
            walked.pop("bad%zz", None)
            wait_for(lambda: {key: item["size"] for key, item in listing(s.url).items()} == walked)
            wait_for(lambda: stats(s.url)["keys"] == len(walked))
        wait_for(lambda: stats(s.url)["watches"] == 1)
        assert stats(s.url)["watching"] is True
        assert s.stderr() == ""


@test
def what_is_right_behind_new_directories_is_never_lost():
    with Server() as s:
        sh(s, "echo x > x; for i in $(seq 100); do mkdir -p n$i/a/b && cp x n$i/a/b/c && cp x n$i/d; done")
        follows(s)
        sh(s, "for i in $(seq 100); do mv n$i m$i; mkdir n$i; cp x n$i/new; mv m$i n$i/old; done")
        follows(s)
        assert len(walk(s.dir)) == 301


@test
def what_is_made_while_a_directory_begins_to_be_watched_is_never_lost():
    """btrfs lists in an open directory what was there when it was opened, unless asked to begin anew."""
    with mounted("btrfs", 512) as disk, Server(dir=f"{disk}/data") as s:
        follows(s)
        with traced(s, "-e", "trace=inotify_add_watch,sendmsg,sendto",
                    "-e", "inject=inotify_add_watch:delay_enter=300000"):
            sh(s, "mkdir d; for i in $(seq 60); do echo $i > d/$i; sleep 0.01; done")
            follows(s)


@test
def directories_that_take_each_others_places_are_followed():
    with Server() as s:
        sh(s, "for i in $(seq 20); do mkdir -p p$i/deep && echo $i > p$i/deep/$i && echo > p$i/k; done")
        follows(s)
        sh(s, "for round in 1 2 3; do mv p1 spare; for i in $(seq 19); do mv p$((i + 1)) p$i; done; mv spare p20; done")
        follows(s)
        sh(s, "for i in $(seq 20); do mkdir q$i && mv -T p$i q$i; done")
        follows(s)


@test
def every_layout_is_followed():
    for layout in ("flat", "split:3"):
        with Server("--layout", layout) as s:
            keys = [f"key/{number}" for number in range(50)]
            for key in keys:
                assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"x").status == 201
            with tempfile.TemporaryDirectory(dir=os.path.dirname(s.dir)) as away:
                for name in os.listdir(s.dir):
                    if name != ".diskv":
                        shutil.move(f"{s.dir}/{name}", away)
                wait_for(lambda: stats(s.url)["keys"] == 0)
                assert listing(s.url) == {}
                for name in os.listdir(away):
                    shutil.move(f"{away}/{name}", s.dir)
                wait_for(lambda: sorted(listing(s.url)) == sorted(keys))


@test
def the_stores_own_directory_is_not_watched():
    with Server() as s:
        sh(s, "mkdir -p .diskv/mine && echo x > .diskv/mine/x && echo x > .diskv/y && echo z > z")
        follows(s)
        assert list(listing(s.url)) == ["z"]
        assert stats(s.url)["watches"] == 1


@test
def what_was_followed_is_right_after_the_next_start():
    with Server() as s:
        sh(s, "mkdir -p a/sub b && echo 1 > a/sub/one && echo 2 > b/two")
        follows(s)
        time.sleep(2.2)  # their stamps count from now on
        assert curl("-X", "POST", f"{s.url}/rescan").status == 204
        sh(s, "mv a ../away")
        follows(s)
        s.stop()
        sh(s, "mv ../away a")
        with Server(dir=s.dir) as again:
            assert differences(again) == {}


@test
def a_directory_that_was_away_while_it_was_listed_comes_back_whole():
    """Without watches the listing drops what it does not find; its directory's time stays the same."""
    with Server("--no-watch") as s:
        sh(s, "mkdir -p a/sub && echo 1 > a/sub/one")
        time.sleep(2.2)
        assert curl("-X", "POST", f"{s.url}/rescan").status == 204
        assert list(listing(s.url)) == ["a/sub/one"]
        sh(s, "mv a ../away")
        assert listing(s.url) == {}
        s.stop()
        sh(s, "mv ../away a")
        with Server("--no-watch", dir=s.dir) as again:
            assert list(listing(again.url)) == ["a/sub/one"]


@test
def without_watches_a_rescan_takes_in_what_changed():
    with Server("--no-watch") as s:
        assert stats(s.url)["watching"] is False
        sh(s, "mkdir d && echo x > d/a")
        time.sleep(0.3)
        assert listing(s.url) == {}
        answer = curl("-X", "POST", f"{s.url}/rescan")
        assert (answer.status, answer.body) == (204, b"")
        assert list(listing(s.url)) == ["d/a"]
        sh(s, "mv d/a d/b")
        os.kill(s.pid, signal.SIGHUP)
        wait_for(lambda: "every directory was read" in s.stderr())
        assert list(listing(s.url)) == ["d/b"]


@test
def a_rescan_is_asked_for_with_post():
    with Server() as s:
        answer = curl(f"{s.url}/rescan")
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


@test
def where_watches_run_out_directories_are_looked_through_until_they_suffice():
    with Server(under=few_watches(5)) as s:
        sh(s, "for i in $(seq 20); do mkdir -p d$i/e && echo $i > d$i/e/k; done")
        follows(s)
        wait_for(lambda: "max_user_watches" in s.stderr())
        assert stats(s.url)["watching"] == "partly" and stats(s.url)["watches"] <= 5
        sh(s, "for i in $(seq 20); do echo more > d$i/e/l; rm d$i/e/k; done; mv d1 d2/e/f")
        follows(s)
        assert s.stderr().count("max_user_watches") == 1
        sh(s, "rm -r d*; mkdir d && echo x > d/x")
        follows(s)
        wait_for(lambda: stats(s.url)["watching"] is True)
        assert s.stderr().count("listings follow the files again") == 1
        sh(s, "echo y > d/y")
        follows(s)


@test
def what_happens_while_the_queue_runs_over_is_looked_for():
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
        limit = int(file.read())
    if limit > 20000:
        skip("the queue is too long to fill")
    with Server() as s:
        sh(s, "mkdir -p d/e && echo x > d/e/x")
        follows(s)
        os.kill(s.pid, signal.SIGSTOP)
        for number in range(limit // 2 + 100):
            os.close(os.open(f"{s.dir}/d/{number % 2}", os.O_CREAT | os.O_WRONLY))
            os.remove(f"{s.dir}/d/{number % 2}")
        sh(s, "mkdir -p new/deep && echo x > new/deep/x; mv d/e new/e; echo y > y")
        os.kill(s.pid, signal.SIGCONT)
        follows(s)
        wait_for(lambda: "listings follow the files again" in s.stderr())
        assert s.stderr().count("faster than they could be followed") == 1
        sh(s, "echo z > new/deep/z")
        follows(s)
        assert stats(s.url)["watching"] is True


if __name__ == "__main__":
    main()
