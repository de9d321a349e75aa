"""The container image, and nginx in front of it with the configuration that docker/ ships.

No registry and no container runtime: debootstrap makes the base image, buildah builds on it, and the
programs run from the images' own roots, as their own users, in a network namespace of the test's.
"""
import atexit
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time

from diskvtest import DISKV, curl, main, skip, test
from network import enter_own_network
from tree import TOP, must

BASE = "docker.io/library/debian:bookworm-slim"  # as the Dockerfile's FROM
IMAGE = "localhost/diskv"
APT_SOURCES = "/etc/apt/sources.list.d/debian.sources"
PROXY, DIRECT = "http://127.0.0.1:8000", "http://127.0.0.1:8080"
MIB = 1 << 20
IMAGE_LIMIT = 32 * MIB
MEMORY_LIMIT = 64 * MIB


@functools.cache
def work_dir():
    path = tempfile.mkdtemp(prefix="diskvtest.")
    atexit.register(shutil.rmtree, path)
    return pathlib.Path(path)


# buildah makes the mounts below / private, which fails where / is no mount point, as in a chroot: it
# gets a namespace in which / is one.
WITH_MOUNTED_ROOT = """
mount --make-rprivate / 2>/dev/null || true
mount -t tmpfs none /mnt
mount --make-private /mnt
mkdir /mnt/root
mount --rbind / /mnt/root
umount /mnt/root/mnt
exec chroot /mnt/root "$@"
"""


def buildah(*args):
    return must("unshare", "--mount", "--propagation", "unchanged",
                "sh", "-euc", WITH_MOUNTED_ROOT, "sh",
                "buildah", "--root", work_dir() / "store", "--runroot", work_dir() / "run",
                "--storage-driver", "vfs", *args).strip()


def mirror():
    """Where this machine gets its packages from: nothing leaves it to debootstrap."""
    for path in (APT_SOURCES, "/etc/apt/sources.list"):
        if os.path.exists(path):
            text = pathlib.Path(path).read_text(encoding="utf-8")
            if found := re.search(r"^(?:URIs:|deb(?: \[.*\])?) *(\S+)", text, re.M):
                return [found[1]]
    return []


def base_root():
    """A tar of a bare Debian that reaches packages as this machine does; kept beside the binary."""
    kept = pathlib.Path(DISKV).parent / "debootstrap.tar"
    if kept.exists():
        return kept
    root = work_dir() / "debootstrap"
    must("debootstrap", "--variant=minbase", "bookworm", root, *mirror(), env={"DPKG_FORCE": "unsafe-io"})
    (root / "etc/dpkg/dpkg.cfg.d/speed").write_text("force-unsafe-io\n")  # as in Debian's own images
    settings = must("apt-config", "dump").splitlines()
    settings = [line for line in settings if re.match(r"Acquire::(Check|http)", line)]
    (root / "etc/apt/apt.conf.d/99host").write_text("\n".join(settings) + "\n")
    if os.path.exists(APT_SOURCES):
        shutil.copy(APT_SOURCES, root / "etc/apt/sources.list.d/")
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
    certificates = "etc/ssl/certs/ca-certificates.crt"
    if os.path.exists("/" + certificates):
        (root / certificates).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/" + certificates, root / certificates)
    must("tar", "-C", root, "-cf", f"{kept}.new", ".")
    os.rename(f"{kept}.new", kept)
    shutil.rmtree(root)
    return kept


def root_of(image):
    """A fresh container of the image, and its root."""
    container = buildah("from", "--pull-never", image)
    return container, pathlib.Path(buildah("mount", container))


def build():
    """Builds the image; returns its configuration and the root of a bare Debian with nginx."""
    scratch = buildah("from", "scratch")
    buildah("add", scratch, base_root(), "/")
    buildah("commit", scratch, BASE)
    buildah("build", "--isolation", "chroot", "--pull-never", "-f", TOP / "docker/Dockerfile",
            "-t", IMAGE, TOP)
    config = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    container, nginx = root_of(BASE)
    buildah("run", "--isolation", "chroot", container, "--", "sh", "-c",
            "apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx")
    shutil.copy(TOP / "docker/nginx.conf", nginx / "etc/nginx/nginx.conf")
    (nginx / "etc/hosts").write_text("127.0.0.1 localhost diskv\n")
    return config, nginx


@functools.cache
def outcome_of_build():
    try:
        return build()
    except AssertionError as failure:  # kept too: no use in trying again for each test
        return failure


def built():
    if os.geteuid() != 0:
        skip("needs root, for debootstrap and chroot")
    outcome = outcome_of_build()
    if isinstance(outcome, AssertionError):
        raise outcome
    return outcome


def wait_for_port(port, process):
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port)).close()
        time.sleep(0.05)
    raise AssertionError(f"exit code {process.returncode} before it listened on port {port}")


@contextlib.contextmanager
def started(root, user, command, port):
    """A program running from `root` as `user`; its stderr is in .log."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(["chroot", f"--userspec={user}", "--groups=", root, *command],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        process.log = lambda: os.pread(log.fileno(), MIB, 0).decode()
        try:
            wait_for_port(port, process)
            yield process
        except Exception as error:
            error.add_note(process.log())
            raise
        finally:
            process.terminate()  # not SIGKILL, which nginx's workers would outlive
            process.wait()


@contextlib.contextmanager
def kernel_files(root):
    """/proc and /dev/null, which every container runtime provides."""
    for folder in ("proc", "dev"):
        (root / folder).mkdir(exist_ok=True)
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    must("mount", "-t", "proc", "proc", root / "proc")
    try:
        yield
    finally:
        must("umount", root / "proc")


@contextlib.contextmanager
def behind_nginx():
    """The image's server and nginx in front of it: (server, nginx, the server's data directory)."""
    config, nginx_root = built()
    enter_own_network()
    container, root = root_of(IMAGE)
    nginx = ["/usr/sbin/nginx", "-g", "daemon off;"]
    try:
        with (kernel_files(root),
              started(root, config["User"], config["Entrypoint"], 8080) as server,
              started(nginx_root, "www-data:www-data", nginx, 8000) as proxy):
            yield server, proxy, root / "data"
    finally:
        buildah("rm", container)


def peak_memory(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def sha256_of(stream):
    return hashlib.file_digest(stream, "sha256").hexdigest()


@test
def the_image_holds_the_server_and_its_libraries_and_nothing_else():
    config, _ = built()
    container, root = root_of(IMAGE)
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    size = sum((root / path).stat().st_size for path in files)
    print(f"# the image has {size / MIB:.1f} MiB in {len(files)} files")
    made_by_buildah = {"etc/hosts", "etc/resolv.conf", "run/.containerenv"}
    others = [str(path) for path in files
              if str(path) != "usr/bin/diskv" and ".so" not in path.name]
    buildah("rm", container)
    assert set(others) <= made_by_buildah, others
    assert size < IMAGE_LIMIT, size


@test
def the_image_serves_its_volume_as_a_user_that_is_not_root():
    config, _ = built()
    assert config["User"] == "10001:10001", config
    assert list(config["Volumes"]) == ["/data"], config
    assert list(config["ExposedPorts"]) == ["8080/tcp"], config


@test
def the_container_stops_on_SIGTERM_with_exit_code_0():
    with behind_nginx() as (server, _, data):
        assert curl(DIRECT + "/keys/a", "-T", "-", input=b"1").status == 201
        assert (data / "a").stat().st_uid == 10001
        server.terminate()
        assert server.wait(60) == 0


@test
def one_gibibyte_streams_up_and_down_through_nginx():
    with behind_nginx() as (server, proxy, _), tempfile.TemporaryFile() as file:
        block = random.Random(1).randbytes(MIB)
        for number in range(1024):
            file.write(number.to_bytes(4, "big") + block[4:])
        file.flush()
        file.seek(0)
        sent = sha256_of(file)
        upload = ["-T", f"/proc/{os.getpid()}/fd/{file.fileno()}"]
        sized, chunked = PROXY + "/keys/sized", PROXY + "/keys/chunked"
        assert curl(sized, *upload).status == 201
        assert curl(chunked, *upload, "-H", "Transfer-Encoding: chunked").status == 201
        for url in (sized, chunked):
            with subprocess.Popen(["curl", "-sS", url], stdout=subprocess.PIPE) as download:
                assert sha256_of(download.stdout) == sent
            assert download.returncode == 0
        print(f"# the server's peak memory was {peak_memory(server) / MIB:.1f} MiB")
        assert peak_memory(server) < MEMORY_LIMIT
        assert "temporary file" not in proxy.log(), proxy.log()


@test
def every_key_reaches_the_server_as_the_client_wrote_it():
    written = {  # the path as sent: the file it means
        "a%2Fb": "a/b",
        "a//c": "a/%_/c",
        "d/": "d/%_",
        "100%25": "100%25",
        "%2541": "%2541",
        "two%20words": "two words",
        "plus+sign": "plus+sign",
        "na%C3%AFve": "naïve",
        "%E6%97%A5/本": "日/本",
        "x/%2E%2E/y": "x/%2E%2E/y",
        "q%3Fmark%23": "q?mark#",
        "semi;colon&and=is": "semi;colon&and=is",
    }
    with behind_nginx() as (_, _, data):
        for path in written:
            answer = curl(f"{PROXY}/keys/{path}", "-T", "-", input=path.encode())
            assert answer.status == 201, (path, answer)
        for path, name in written.items():
            assert (data / name).read_bytes() == path.encode(), (path, name)
            assert curl(f"{PROXY}/keys/{path}").body == path.encode(), path


@test
def conditions_and_types_pass_through_nginx():
    url = PROXY + "/keys/a"
    with behind_nginx():
        put = curl(url, "-T", "-", "-H", "Content-Type: text/x-one", "-H", "If-None-Match: *",
                   input=b"1")
        got = curl(url)
        assert put.status == 201, put
        assert got.headers["content-type"] == "text/x-one", got
        assert got.headers["etag"] == put.headers["etag"], got
        assert curl(url, "-H", f"If-None-Match: {put.headers['etag']}").status == 304
        assert curl(url, "-T", "-", "-H", "If-None-Match: *", input=b"2").status == 412
        assert curl(url).body == b"1"


if __name__ == "__main__":
    main()
