"""Every file under /usr/share/doc and /usr/include, and some with odd names, goes up, is listed, comes down, and
lies in the directory as the file it was."""
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from urllib.parse import quote

from diskvtest import Server, curl, main, test

SOURCES = ["/usr/share/doc", "/usr/include"]
ODD_NAMES = ["100%", "a b", "tab\there", "new\nline", "ü€💾", "-rf", "#frag?query&x=y", "'\"`", "back\\slash",
             "plus+", "semi;colon", "..dots", "x" * 240, "ends with dot.", "~", "*", "[a]", "{b,c}", "%value"]
CURLS = 200  # files for one run of curl


def files_below(directory):
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def image(key):
    """The name that the layout gives to one of these keys."""
    return "".join(f"%{ord(c):02X}" if c == "%" or ord(c) < 0x20 or ord(c) == 0x7F else c for c in key)


def collect(odd):
    """Key to source file."""
    for name in ODD_NAMES:
        with open(os.path.join(odd, name), "wb") as file:
            file.write(b"the value of " + name.encode())
    found = {os.path.relpath(path, "/"): path for source in SOURCES for path in files_below(source)}
    found.update({f"odd/{name}": os.path.join(odd, name) for name in ODD_NAMES})
    return found


def config_text(text):
    """A string as curl's config files quote it."""
    for plain, quoted in (("\\", "\\\\"), ('"', '\\"'), ("\t", "\\t"), ("\n", "\\n")):
        text = text.replace(plain, quoted)
    return f'"{text}"'


def curl_all(entries):
    """Runs curl over (option, file, URL) triples, in parallel within a run; the statuses it saw."""
    statuses = []
    for start in range(0, len(entries), CURLS):
        config = "".join(f"{option} = {config_text(file)}\nurl = {config_text(url)}\n"
                         for option, file, url in entries[start:start + CURLS])
        done = subprocess.run(["curl", "-q", "--no-progress-meter", "--globoff", "--path-as-is", "--noproxy", "*",
                               "--parallel", "--parallel-max", "32", "--create-dirs", "-w", "%{http_code}\n", "-K", "-"],
                              input=config.encode(), stdout=subprocess.PIPE, check=True)
        statuses += done.stdout.decode().split()
    return statuses


def list_all(server, limit):
    """All keys, page by page."""
    keys, after = [], ""
    while True:
        page = json.loads(curl(f"{server.url}/keys?limit={limit}&from={quote(after, safe='')}").body)
        assert len(page["keys"]) <= limit
        keys += [entry["key"] for entry in page["keys"]]
        if "next" not in page:
            return keys
        assert len(page["keys"]) == limit and page["next"] == keys[-1]
        after = page["next"]


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@test
def a_real_tree_goes_up_is_listed_comes_down_and_lies_there_as_plain_files():
    with tempfile.TemporaryDirectory() as work, Server() as s:
        os.mkdir(f"{work}/odd")
        source = collect(f"{work}/odd")
        keys = sorted(source, key=str.encode)
        assert len(keys) > 1000
        url = {key: f"{s.url}/keys/{quote(key)}" for key in keys}

        statuses = curl_all([("upload-file", source[key], url[key]) for key in keys])
        assert statuses == ["201"] * len(keys), set(statuses)
        assert list_all(s, 997) == keys

        down = {key: f"{work}/down/{number}" for number, key in enumerate(keys)}
        statuses = curl_all([("output", down[key], url[key]) for key in keys])
        assert statuses == ["200"] * len(keys), set(statuses)
        different = [key for key in keys if sha256(source[key]) != sha256(down[key])]
        assert not different, different[:5]

        for key in keys:
            os.makedirs(os.path.dirname(f"{work}/expected/{image(key)}"), exist_ok=True)
            shutil.copyfile(source[key], f"{work}/expected/{image(key)}")
        diff = subprocess.run(["diff", "-r", "--no-dereference", "--exclude=.diskv", f"{work}/expected", s.dir],
                              stdout=subprocess.PIPE, check=False)
        assert diff.returncode == 0, diff.stdout[:1000]


if __name__ == "__main__":
    main()
