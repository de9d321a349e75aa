"""Programs that nobody here wrote, run as their users run them but without anyone's settings."""
import contextlib
import http.client
import os
import pathlib
import subprocess
import tempfile
from urllib.parse import quote


@contextlib.contextmanager
def new_folder():
    with tempfile.TemporaryDirectory(prefix="diskvtest.") as path:
        yield pathlib.Path(path)


def run(*command, cwd, input=b"", code=0, **env):
    """What the program writes to stdout. It has to end with `code`, within a minute."""
    clean = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    done = subprocess.run([str(part) for part in command], cwd=cwd, input=input, capture_output=True, timeout=60,
                          env={**clean, "HOME": str(cwd), "LC_ALL": "C.UTF-8", **env}, check=False)
    assert done.returncode == code, (command, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def write_files(folder, names):
    """Each file holds its name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


def put_names(server, prefix, names):
    """The values of `prefix` + name are the names."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for name in names:
            connection.request("PUT", f"/keys/{quote(prefix + name)}", body=name.encode())
            answer = connection.getresponse()
            assert answer.status == 201, (name, answer.read())
            answer.read()


def files_in(folder):
    """Names and contents of all files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
