"""What a start finds: an index is a cache of the files, whatever happened to either meanwhile."""
import fcntl
import json
import os
import re
import shutil
import subprocess
import time

from diskvtest import DISKV, Server, curl, main, skip, test, wait_ready


def keys(server):
    return [entry["key"] for entry in json.loads(curl(f"{server.url}/keys?limit=10000").body)["keys"]]


def write(path, text="by hand"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def settle():
    """Lets directories become older than what the server takes for settled."""
    time.sleep(2.2)


@test
def a_directory_that_was_never_ours_is_served_as_it_is():
    with Server() as s:
        s.stop()
        shutil.rmtree(f"{s.dir}/.diskv")
        write(f"{s.dir}/photos/2024/a.jpg")
        write(f"{s.dir}/readme")
        write(f"{s.dir}/bad%zz")
        os.symlink("readme", f"{s.dir}/link")
        with Server(dir=s.dir) as again:
            assert keys(again) == ["photos/2024/a.jpg", "readme"]
            assert curl(f"{again.url}/keys/photos/2024/a.jpg").body == b"by hand"
            assert curl(f"{again.url}/keys/link").status == 404
            assert json.loads(curl(f"{again.url}/stats").body)["foreign"] == 2


@test
def what_changed_while_the_server_was_down_is_picked_up():
    with Server() as s:
        for key in ("a", "d/one", "d/two", "d/deep/er/x", "e/f/g", "gone/1", "gone/deep/2", "v", "v/below"):
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"x").status == 201
        s.stop()
        with Server(dir=s.dir) as again:  # notes what it read
            assert len(keys(again)) == 9
        settle()
        with Server(dir=s.dir) as again:
            assert len(keys(again)) == 9
        os.remove(f"{s.dir}/d/one")
        write(f"{s.dir}/d/three")
        write(f"{s.dir}/new/deep/er/y")
        shutil.rmtree(f"{s.dir}/gone")
        os.rename(f"{s.dir}/e", f"{s.dir}/moved")
        os.remove(f"{s.dir}/v/%value")
        os.remove(f"{s.dir}/a")
        write(f"{s.dir}/a/%value")
        with Server(dir=s.dir) as again:
            assert keys(again) == ["a", "d/deep/er/x", "d/three", "d/two", "moved/f/g", "new/deep/er/y", "v/below"]


@test
def only_directories_that_changed_are_read_again():
    with Server() as s:
        s.stop()
        for number in range(100):
            write(f"{s.dir}/d{number}/k")
        settle()
        Server(dir=s.dir).stop()
        write(f"{s.dir}/d42/new")
        trace = f"{os.path.dirname(s.dir)}/trace"
        strace = subprocess.Popen(["strace", "-f", "-y", "-e", "trace=getdents64", "-o", trace, DISKV, "serve", "--listen",
                                   "127.0.0.1:0", s.dir], stdout=subprocess.PIPE)
        ready = strace.stdout.readline().decode()
        url = re.search(r"http://\S+", ready)[0]
        wait_ready(url)
        assert len(json.loads(curl(f"{url}/keys?limit=10000").body)["keys"]) == 101
        with open(trace, encoding="utf-8", errors="replace") as file:
            text = file.read()
        server = int(text.split()[0])
        os.kill(server, 15)
        strace.communicate()
        read = re.findall(r"getdents64\(\d+<[^>]*/(d\d+)>", text)
        assert read[0] == "d42"  # and then, at leisure, all of them
        assert all(read.count(name) <= 2 for name in read if name != "d42")


@test
def a_start_that_was_cut_off_is_made_up_for():
    with Server() as s:
        s.stop()
        expected = sorted(f"d{number}/deep/k" for number in range(40))
        for key in expected:
            write(f"{s.dir}/{key}")
        settle()
        for call in (3, 10, 50, 80):
            shutil.rmtree(f"{s.dir}/.diskv/index", ignore_errors=True)
            killed = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "trace=getdents64",
                                     "-e", f"inject=getdents64:signal=KILL:when={call}", DISKV, "serve", "--listen",
                                     "127.0.0.1:0", s.dir], stdout=subprocess.PIPE, check=False)
            assert killed.returncode != 0
            with Server(dir=s.dir) as again:
                assert keys(again) == expected, call


@test
def a_missing_or_damaged_index_is_rebuilt():
    def remove(path):
        shutil.rmtree(path)

    def garbage(path):
        for name in os.listdir(path):
            with open(f"{path}/{name}", "wb") as file:
                file.write(os.urandom(50_000))

    def truncate(path):
        for name in os.listdir(path):
            os.truncate(f"{path}/{name}", os.stat(f"{path}/{name}").st_size // 2)

    def flip(path):
        for name in os.listdir(path):
            with open(f"{path}/{name}", "r+b") as file:
                data = bytearray(file.read())
                for at in range(0, len(data), 97):
                    data[at] ^= 0x55
                file.seek(0)
                file.write(data)

    with Server() as s:
        expected = sorted(f"k{number}/{'x' * number}" for number in range(200))
        for key in expected:
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"x").status == 201
        s.stop()
        for damage in (remove, garbage, truncate, flip):
            damage(f"{s.dir}/.diskv/index")
            with Server(dir=s.dir) as again:
                assert keys(again) == expected, damage.__name__


@test
def an_index_without_its_note_of_this_boot_is_not_believed():
    """As after a power cut: the index says other than the files, but belongs to another boot."""
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"x").status == 201
        s.stop()
        shutil.copytree(f"{s.dir}/.diskv/index", f"{s.dir}/.diskv/old")
        with Server(dir=s.dir) as again:
            assert curl("-T", "-", f"{again.url}/keys/l", input=b"x").status == 201
        boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
        shutil.rmtree(f"{s.dir}/.diskv/index")
        os.rename(f"{s.dir}/.diskv/old", f"{s.dir}/.diskv/index")
        found = 0
        for name in os.listdir(f"{s.dir}/.diskv/index"):
            with open(f"{s.dir}/.diskv/index/{name}", "r+b") as file:
                data = file.read()
                found += data.count(boot.encode())
                file.seek(0)
                file.write(data.replace(boot.encode(), b"0" * len(boot)))
        assert found > 0
        with Server(dir=s.dir) as again:
            assert keys(again) == ["k", "l"]


@test
def a_second_server_on_the_same_directory_is_refused():
    with Server() as s:
        done = subprocess.run([DISKV, "serve", "--listen", "127.0.0.1:0", s.dir], capture_output=True, timeout=30,
                              check=False)
        assert done.returncode == 1
        assert b"another process" in done.stderr
        assert curl(f"{s.url}/healthz").status == 200


@test
def leftovers_of_a_crash_are_removed():
    with Server() as s:
        s.stop()
        write(f"{s.dir}/.diskv/tmp/123.4")
        write(f"{s.dir}/.diskv/tmp/123.5/%value")
        with Server(dir=s.dir) as again:
            assert os.listdir(f"{s.dir}/.diskv/tmp") == []
            assert keys(again) == []


@test
def deleting_what_the_store_keeps_for_itself_loses_no_value():
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/d/k", "-H", "Content-Type: text/plain", input=b"x").status == 201
        tag = curl(f"{s.url}/keys/d/k").headers["etag"]
        s.stop()
        shutil.rmtree(f"{s.dir}/.diskv")
        with Server(dir=s.dir) as again:
            answer = curl(f"{again.url}/keys/d/k")
            assert (answer.body, answer.headers["etag"], answer.headers["content-type"]) == (b"x", tag, "text/plain")
            assert keys(again) == ["d/k"]


@test
def without_proc_it_serves_and_builds_the_index_anew():
    if os.getuid():
        skip("needs root, to hide /proc")
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"x").status == 201
        s.stop()
        write(f"{s.dir}/l")
        hidden = subprocess.Popen(["unshare", "--mount", "--propagation", "unchanged", "sh", "-c",
                                   'mount --make-private /proc && mount -t tmpfs none /proc && exec "$@"', "sh",
                                   DISKV, "serve", "--listen", "127.0.0.1:0", s.dir], stdout=subprocess.PIPE, text=True)
        url = re.search(r"http://\S+", hidden.stdout.readline())[0]
        wait_ready(url)
        listed = [entry["key"] for entry in json.loads(curl(f"{url}/keys").body)["keys"]]
        hidden.terminate()
        assert hidden.wait(30) == 0 and listed == ["k", "l"]


@test
def a_directory_is_served_by_one_server_whatever_becomes_of_its_own_folder_and_whatever_it_is_called():
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/a", input=b"x").status == 201
        link = f"{s.dir}.link"
        os.symlink(s.dir, link)
        for name in (s.dir, link, f"{s.dir}/../data"):
            for kept in (True, False):
                if not kept:
                    shutil.rmtree(f"{s.dir}/.diskv", ignore_errors=True)
                done = subprocess.run([DISKV, "serve", "--listen", "127.0.0.1:0", name], capture_output=True,
                                      timeout=60, check=False)
                assert done.returncode != 0 and done.stdout == b"", (name, kept, done)
                said = f"diskv: error: cannot serve {name}: another process serves this directory\n"
                assert done.stderr.decode() == said, (name, kept, done)
        assert curl(f"{s.url}/keys/a").body == b"x"
        assert curl("-T", "-", f"{s.url}/keys/b", input=b"y").status == 201


@test
def a_server_that_was_killed_keeps_no_other_off():
    with Server() as s:
        s.kill()
        with Server(dir=s.dir) as again:
            assert keys(again) == []


@test
def the_lock_file_of_an_older_version_keeps_a_server_off_too():
    with Server() as s:
        s.stop()
        lock = f"{s.dir}/.diskv/lock"
        with open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            done = subprocess.run([DISKV, "serve", "--listen", "127.0.0.1:0", s.dir], capture_output=True,
                                  timeout=60, check=False)
            assert done.returncode != 0 and b"another process serves" in done.stderr, done
        with Server(dir=s.dir):
            pass


if __name__ == "__main__":
    main()
