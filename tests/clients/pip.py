"""pip: installs from a repository of plain files, by the server's index pages or by pages of its own (PEP 503)."""
import hashlib
import zipfile

from diskvtest import Server, curl, main, test
from program import new_folder, run
from pypi import python_with

WHEEL = "hello_diskv-1.0-py3-none-any.whl"
INFO = "hello_diskv-1.0.dist-info"


def make_wheel(path):
    files = {
        "hello_diskv.py": "WORD = 'hello'\n",
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: hello-diskv\nVersion: 1.0\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{INFO}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{INFO}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


def put(url, path, *options):
    assert curl("-T", path, *options, url).status == 201


def check_installed(here, index):
    """Installs into a folder, from that index alone."""
    python = python_with("pip", "pip")  # which is there already
    run(python, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "install", "-q",
        "--target", here / "site", "--index-url", index, "hello-diskv", cwd=here)
    assert (here / "site" / INFO).is_dir()
    assert run(python, "-c", "import hello_diskv; print(hello_diskv.WORD)", cwd=here / "site") == b"hello\n"


@test
def a_folder_of_wheels_is_a_repository_by_itself():
    with Server() as s, new_folder() as here:
        make_wheel(here / WHEEL)
        put(f"{s.url}/keys/simple/hello-diskv/", here / WHEEL)
        check_installed(here, f"{s.url}/keys/simple/")


@test
def pages_that_were_uploaded_lead_to_wheels_elsewhere():
    with Server() as s, new_folder() as here:
        make_wheel(here / WHEEL)
        digest = hashlib.sha256((here / WHEEL).read_bytes()).hexdigest()
        put(f"{s.url}/keys/files/", here / WHEEL)
        (here / "page").write_text(f'<!DOCTYPE html><a href="../../files/{WHEEL}#sha256={digest}">{WHEEL}</a>\n')
        put(f"{s.url}/keys/simple/hello-diskv%2F", here / "page", "-H", "Content-Type: text/html")
        check_installed(here, f"{s.url}/keys/simple/")


if __name__ == "__main__":
    main()
