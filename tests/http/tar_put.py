"""A tar whose files become values: as GNU tar makes it, as ours is, compressed, hostile, damaged, cut."""
import gzip
import io
import json
import os
import subprocess
import tarfile
import tempfile
import time

from diskvtest import Server, curl, main, test
from rawhttp import Connection, chunked, request

FORMATS = ["v7", "oldgnu", "gnu", "ustar", "posix"]
MANY = 100000 if os.environ.get("DISKV_LONG") else 5000
LIMIT = 64 << 20  # resident bytes of a server


def post(s, body, prefix="", *args):
    answer = curl("-H", "Content-Type: application/x-tar", "--data-binary", "@-", *args,
                  f"{s.url}/keys?prefix={prefix}", input=body)
    return answer, json.loads(answer.body)


def stored(s, body, prefix=""):
    """Posts a tar of which nothing may be refused: how many entries it had."""
    answer, said = post(s, body, prefix)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json", answer
    assert said == {"stored": said["stored"], "refused": [], "refused_count": 0}
    return said["stored"]


def values(s, prefix=""):
    keys = json.loads(curl(f"{s.url}/keys?limit=10000&prefix={prefix}").body)["keys"]
    return {item["key"]: curl(f"{s.url}/keys/{item['key']}").body for item in keys}


def tar_of(*entries):
    """A tar of (name, value) pairs and of entries that tarfile has."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            if not isinstance(entry, tuple):
                tar.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            tar.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


def of_type(name, kind, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def left_over(s):
    return os.listdir(f"{s.dir}/.diskv/tmp")


def in_flight(s):
    """Requests but for that which asks."""
    return json.loads(curl(f"{s.url}/stats").body)["requests"] - 1


def wait_until(holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@test
def each_format_of_gnu_tar_is_taken():
    files = {"a": b"1", "b/c": os.urandom(3000000), "b/d/e f": b"", "é": b"x" * 512}
    long = {"/".join(["d" * 90, "e" * 90, "f" * 90]): b"long"}
    with tempfile.TemporaryDirectory() as directory, Server("--sync", "none") as s:
        for name, value in {**files, **long}.items():
            os.makedirs(os.path.dirname(f"{directory}/{name}"), exist_ok=True)
            with open(f"{directory}/{name}", "wb") as file:
                file.write(value)
        for kind in FORMATS:
            expected = files if kind in ("v7", "ustar") else {**files, **long}
            command = ["tar", "c", f"--format={kind}", "-C", directory]
            if expected is files:
                command.append(f"--exclude={'d' * 90}")
            body = subprocess.run([*command, "."], check=True, stdout=subprocess.PIPE).stdout
            assert stored(s, body, f"{kind}/") == len(expected)
            for name, value in expected.items():
                assert curl("-G", f"{s.url}/keys/{kind}/{name.replace(' ', '%20')}").body == value, name


@test
def a_tar_comes_back_byte_for_byte():
    with Server("--sync", "none") as s:
        tar = tar_of(("a", b"1"), ("b/c", b"2" * 1000), ("d", b""))
        assert stored(s, tar, "p/") == 3
        back = curl(f"{s.url}/keys?format=tar&prefix=p/").body
        assert stored(s, back, "q/") == 3
        assert values(s, "q/") == {"q/a": b"1", "q/b/c": b"2" * 1000, "q/d": b""}
        assert len(back) == 10240


@test
def every_key_and_its_metadata_come_through_another_server():
    keys = ["a", "a/b", ".", "../x", "a//b", "/", "%252E", "b%2Fc", "%25_", "n" * 300, "d/" * 150, "%01%0A"]
    with Server("--sync", "none") as one, Server("--sync", "none") as other:
        for key in keys:
            headers = ("-H", f"Content-Type: text/{len(key)}", "-H", f"X-Meta-Len: {len(key)}",
                       "-H", "Cache-Control: no-cache")[:2 * (len(key) % 4)]
            assert curl("-T", "-", *headers, f"{one.url}/keys/p/{key}", input=key.encode()).status == 201
        listings = []
        assert stored(other, curl(f"{one.url}/keys?format=tar&prefix=p/").body, "p/") == len(keys)
        for s in (one, other):
            items = json.loads(curl(f"{s.url}/keys").body)["keys"]
            for item in items:
                del item["modified"]
            listings.append(items)
        assert listings[0] == listings[1] and len(listings[0]) == len(keys)
        answer = curl(f"{other.url}/keys/p/a/b")
        assert answer.headers["x-meta-len"] == "3" and answer.headers["cache-control"] == "no-cache"


@test
def names_go_behind_the_last_slash_of_the_prefix_and_must_begin_with_all_of_it():
    tar = tar_of(("./phone", b"1"), ("photos/a", b"2"), ("x", b"3"))
    with Server("--sync", "none") as s:
        _, said = post(s, tar, "p/pho")
        assert said["stored"] == 2 and [e["name"] for e in said["refused"]] == ["x"]
        assert values(s) == {"p/phone": b"1", "p/photos/a": b"2"}
        assert curl("-X", "POST", "--data-binary", "@-", f"{s.url}/keys/?prefix", input=tar).status == 200
        assert curl(f"{s.url}/keys/x").body == b"3"


@test
def of_two_entries_with_one_name_the_last_wins():
    with Server() as s:
        assert stored(s, tar_of(*[("a", b"%d" % i * i) for i in range(200)], ("b", b""))) == 201
        assert values(s) == {"a": b"199" * 199, "b": b""}


@test
def gzip_is_seen_by_its_first_bytes():
    tar = tar_of(("a", b"1"), ("b", os.urandom(1000000)), ("c", bytes(30000000)))
    with Server("--sync", "none") as s:
        for body in (gzip.compress(tar, 1), gzip.compress(b"") + gzip.compress(tar),
                     gzip.compress(tar[:1000]) + gzip.compress(tar[1000:]) + bytes(512)):
            assert stored(s, body, "p/") == 3
            assert curl(f"{s.url}/keys/p/c").body == bytes(30000000)
            assert curl("-X", "DELETE", f"{s.url}/keys/p/c").status == 204
        with Connection(s.port) as c:
            c.send(request("POST", "/keys?prefix=q/", "Transfer-Encoding: chunked"))
            packed = gzip.compress(tar_of(("a", b"1")))
            c.send(chunked(*[packed[i:i + 1] for i in range(len(packed))]))
            assert json.loads(c.answer().body)["stored"] == 1


@test
def what_cannot_be_stored_is_refused_one_by_one_and_told():
    bad = [of_type("link", tarfile.SYMTYPE, linkname="/etc/passwd"), of_type("hard", tarfile.LNKTYPE, linkname="ok"),
           of_type("fifo", tarfile.FIFOTYPE), of_type("device", tarfile.CHRTYPE), ("../up", b"1"), ("/abs", b"2"),
           ("a/../b", b"3"), ("a//b", b"4"), ("..", b"5"), ("a/.", b"6"), ("n" * 1001, b"7"),
           of_type("sparse", tarfile.REGTYPE, pax_headers={"GNU.sparse.major": "1"}),
           of_type("type", tarfile.REGTYPE, pax_headers={"SCHILY.xattr.user.mime_type": "t" * 300}),
           of_type("field", tarfile.REGTYPE, pax_headers={"SCHILY.xattr.user.diskv.x-meta-a": "a\x01"}),
           of_type("much", tarfile.REGTYPE, pax_headers={"SCHILY.xattr.user.diskv.x-meta-a": "a" * 3000}),
           of_type("key", tarfile.REGTYPE, pax_headers={"DISKV.key": "k" * 1001}),
           of_type("not utf-8: \udcff", tarfile.REGTYPE)]
    with Server("--sync", "none") as s:
        answer, said = post(s, tar_of(("ok", b"good"), *bad, of_type("dir", tarfile.DIRTYPE), ("last", b"good")))
        assert answer.status == 200 and said["stored"] == 2
        assert said["refused_count"] == len(said["refused"]) == len(bad)
        for entry, refused in zip(bad, said["refused"]):
            name = entry[0] if isinstance(entry, tuple) else entry.name
            assert refused["name"] == name[-1000:].replace("\udcff", "?"), refused
            assert refused["detail"], refused
        assert values(s) == {"ok": b"good", "last": b"good"}
        assert left_over(s) == []


@test
def the_first_hundred_refusals_are_told_and_all_are_counted():
    with Server("--sync", "none") as s:
        answer, said = post(s, tar_of(*[(f"../{i}", b"x" * i) for i in range(150)], ("a", b"")))
        assert (answer.status, said["stored"], said["refused_count"]) == (200, 1, 150)
        assert [entry["name"] for entry in said["refused"]] == [f"../{i}" for i in range(100)]


@test
def a_limit_on_values_holds_for_each_entry_and_not_for_the_tar():
    with Server("--sync", "none", "--max-value-bytes", 1000) as s:
        entries = [(f"{i}", b"x" * 1000) for i in range(100)] + [("large", b"x" * 1001), ("z", b"1")]
        answer, said = post(s, tar_of(*entries))
        assert (answer.status, said["stored"], said["refused_count"]) == (200, 101, 1)
        assert said["refused"][0]["name"] == "large"


@test
def metadata_of_a_put_are_metadata_of_an_entry():
    with Server("--sync", "none") as s:
        info = of_type("a", tarfile.REGTYPE, pax_headers={
            "SCHILY.xattr.user.mime_type": "text/x-a", "SCHILY.xattr.user.diskv.content-language": "de",
            "SCHILY.xattr.user.diskv.x-meta-b": "blü", "SCHILY.xattr.user.other": "o", "comment": "c"})
        assert stored(s, tar_of(info)) == 1
        headers = ("-H", "Content-Type: text/x-a", "-H", "Content-Language: de", "-H", "X-Meta-B: blü")
        assert curl("-X", "PUT", *headers, "-d", "", f"{s.url}/keys/b").status == 201
        a, b = (curl(f"{s.url}/keys/{key}").headers for key in "ab")
        assert a["etag"] == b["etag"] and a["content-type"] == "text/x-a", a


@test
def a_damaged_tar_is_a_problem_that_tells_what_was_stored():
    tar = tar_of(("a", b"1"), ("../b", b"2"), ("c", b"3" * 700000), ("d", b"4"))
    end = 700000 + 512 * 6
    broken = {"no-end": tar[:end], "in-a-value": tar[:300000], "in-a-header": tar[:600],
              "a-header": tar.replace(b"d\0", b"x\0", 1), "gzip-cut": gzip.compress(tar)[:-9],
              "gzip-sum": gzip.compress(tar)[:-8] + bytes(8), "nothing": b"", "text": b"no tar" * 1000}
    with Server("--sync", "none") as s:
        for name, body in broken.items():
            answer, said = post(s, body, f"{name}/")
            assert answer.status == 400, (name, answer)
            assert answer.headers["content-type"] == "application/problem+json"
            assert said["detail"] and said["refused_count"] == len(said["refused"]), said
            assert len(values(s, f"{name}/")) == said["stored"], (name, said)
            assert left_over(s) == []
        assert values(s, "no-end/") == {"no-end/a": b"1", "no-end/c": b"3" * 700000}
        assert list(values(s, "in-a-value/")) == ["in-a-value/a"]


@test
def damage_in_the_middle_of_a_long_body_is_answered_at_once():
    with Server("--sync", "none") as s, Connection(s.port) as c:
        c.send(request("POST", "/keys?prefix=", "Content-Length: 1000000000"))
        c.send(tar_of(("a", b"1"))[:1024] + b"no tar" * 400000)
        answer = c.answer()
        assert answer.status == 400 and json.loads(answer.body)["stored"] == 1


@test
def a_bad_prefix_is_refused_before_the_body_is_sent():
    with Server() as s:
        for prefix in ("p" * 1001, "%FF", "%00"):
            with Connection(s.port) as c:
                c.send(request("POST", f"/keys?prefix={prefix}", "Expect: 100-continue", "Content-Length: 100000"))
                assert c.answer().status == 400


@test
def of_a_client_that_leaves_the_whole_entries_stay():
    tar = tar_of(("a", b"1"), ("b", b"2" * 3000000), ("c", b"3" * 3000000))
    with Server() as s:
        for sent, whole in ((0, ""), (100, ""), (4000000, "ab"), (len(tar) - 1000, "ab")):
            with Connection(s.port) as c:
                c.send(request("POST", f"/keys?prefix={sent}/", f"Content-Length: {len(tar)}"))
                wait_until(lambda: in_flight(s) == 1)  # or all of it may be sent before any is read
                c.send(tar[:sent])
            wait_until(lambda: in_flight(s) == 0 and not left_over(s))
            sizes = {key: len(value) for key, value in values(s, f"{sent}/").items()}
            assert sizes == {f"{sent}/{name}": 1 if name == "a" else 3000000 for name in whole}


@test
def a_tar_that_moves_fast_enough_may_take_longer_than_a_request_may():
    tar = tar_of(("a", b"1" * 30000))
    with Server("--request-seconds", 1, "--min-rate", 1000) as s, Connection(s.port) as c:
        c.send(request("POST", "/keys?prefix=", f"Content-Length: {len(tar)}"))
        for at in range(0, len(tar), 2000):
            c.send(tar[at:at + 2000])
            time.sleep(0.12)
        assert json.loads(c.answer().body)["stored"] == 1


def peak(s):
    with open(f"/proc/{s.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@test
def many_files_go_up_and_come_down_in_little_memory():
    with tempfile.TemporaryFile() as up, Server("--sync", "none") as s:
        with tarfile.open(fileobj=up, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for i in range(MANY):
                info = tarfile.TarInfo(f"{i // 1000:03}/{i:06}")
                info.size = i % 3000
                tar.addfile(info, io.BytesIO(b"%d" % i * info.size))
        up.seek(0)
        command = ["curl", "-q", "-sS", "--noproxy", "*"]
        done = subprocess.run([*command, "-X", "POST", "-T", "-", f"{s.url}/keys?prefix="], stdin=up,
                              stdout=subprocess.PIPE, check=True)
        assert json.loads(done.stdout)["stored"] == MANY
        with subprocess.Popen([*command, f"{s.url}/keys?format=tar"], stdout=subprocess.PIPE) as down:
            count = 0
            for entry in (tar := tarfile.open(fileobj=down.stdout, mode="r|")):
                assert (entry.name, entry.size) == (f"{count // 1000:03}/{count:06}", count % 3000)
                assert tar.extractfile(entry).read() == (b"%d" % count * entry.size)[:entry.size]
                tar.members = []
                count += 1
        assert count == MANY
        assert peak(s) < LIMIT, peak(s)


if __name__ == "__main__":
    main()
