"""What the tests of listings that follow the files share."""
import json
import os
import subprocess
import time

from diskvtest import curl, skip

FOLLOW_SECONDS = 20  # the promise is one second; a busy machine is given more


def walk(root):
    """Every value's key and size, as layout `path` has them, from a walk of the directory."""
    found = {}
    for folder, folders, files in os.walk(root):
        if folder == root:
            folders.remove(".diskv")
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            key = folder if name == "%value" else path
            found[os.path.relpath(key, root)] = os.stat(path).st_size
    return found


def listing(url):
    """Every listed item, by its key."""
    found, start = {}, ""
    while True:
        answer = curl(f"{url}/keys?limit=10000&from={start}")
        assert answer.status == 200, answer
        page = json.loads(answer.body)
        for item in page["keys"]:
            assert item["key"] not in found
            found[item["key"]] = item
        if "next" not in page:
            return found
        start = "".join(f"%{byte:02X}" for byte in page["next"].encode())


def stats(url):
    return json.loads(curl(f"{url}/stats").body)


def differences(s):
    """What the listing and the number of keys have other than the directory; empty where nothing."""
    there, listed = walk(s.dir), {key: item["size"] for key, item in listing(s.url).items()}
    wrong = {key: (there.get(key), listed.get(key))
             for key in there.keys() | listed.keys() if there.get(key) != listed.get(key)}
    count = stats(s.url)["keys"]
    if not wrong and count != len(there):
        wrong["(count)"] = (len(there), count)
    return wrong


def follows(s):
    """Waits until the listing is as the directory; how long that took."""
    began = time.monotonic()
    while wrong := differences(s):
        took = time.monotonic() - began
        assert took < FOLLOW_SECONDS, dict(list(wrong.items())[:10])
        time.sleep(0.02)
    return time.monotonic() - began


def sh(s, script):
    """Runs a script in the served directory."""
    done = subprocess.run(["sh", "-ec", script], cwd=s.dir, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def few_watches(count):
    """What to run a server under so that it may have so many watches: a user namespace of its own,
    whose limit is its own too, which is made sure of before anything is set."""
    limit = "/proc/sys/user/max_inotify_watches"
    with open(limit, encoding="ascii") as file:
        ours = file.read()
    namespace = ["unshare", "--user", "--map-root-user"]
    theirs = subprocess.run([*namespace, "cat", limit], capture_output=True, text=True, check=False)
    if theirs.returncode != 0 or theirs.stdout == ours:
        skip("needs a user namespace with a limit of its own")
    return [*namespace, "sh", "-ec", f'echo {count} > {limit}; exec "$@"', "sh"]
