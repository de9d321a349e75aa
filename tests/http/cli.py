"""The command line of the server: options, environment, errors, the ready line."""
import os
import re
import signal
import socket
import subprocess
import tempfile

from diskvtest import DISKV, Server, curl, main, test


def run(*args, env=None):
    return subprocess.run([DISKV, *args], capture_output=True, text=True, timeout=30, check=False,
                          env={**os.environ, **(env or {})})


def option_names():
    return re.findall(r"^  --([a-z-]+)", run("serve", "--help").stdout, re.M)


@test
def help_names_every_option_with_its_default_and_its_variable():
    done = run("serve", "--help")
    assert done.returncode == 0 and done.stderr == ""
    names = option_names()
    assert {"listen", "sync", "threads", "workers", "max-connections", "max-value-bytes", "drain-seconds"} <= set(names)
    for name in names:
        if name != "help":
            assert f"DISKV_{name.upper().replace('-', '_')}" in done.stdout
    assert done.stdout.count("default ") >= len(names) - 1


@test
def the_program_alone_says_how_to_use_it():
    assert run().returncode == 2 and "Usage" in run().stderr
    assert run("--help").returncode == 0 and "Usage" in run("--help").stdout
    assert re.fullmatch(r"diskv \d+\.\d+\.\d+\n", run("--version").stdout)
    wrong = run("sreve", "x")
    assert wrong.returncode == 2 and '"sreve"' in wrong.stderr


@test
def unknown_options_and_bad_values_exit_2_and_say_what_is_wrong():
    with tempfile.TemporaryDirectory() as d:
        for args, words in [
                (["--lisen", "127.0.0.1:0", d], ["--lisen"]),
                (["-l", "127.0.0.1:0", d], ["-l"]),
                (["--sync", "maybe", d], ["--sync", "always", "none"]),
                (["--layout", "split:0", d], ["--layout", "path", "flat", "split:1", "split:16"]),
                (["--layout", "Flat", d], ["--layout"]),
                (["--workers", "0", d], ["--workers", "1", "\"0\""]),
                (["--workers", "many", d], ["--workers", "many"]),
                (["--workers", "-1", d], ["--workers", "-1"]),
                (["--workers", "1x", d], ["--workers", "1x"]),
                (["--max-value-bytes", "99999999999999999999", d], ["--max-value-bytes"]),
                (["--drain-seconds", "", d], ["--drain-seconds"]),
                (["--drain-seconds=", d], ["--drain-seconds"]),
                ([d, "--workers"], ["--workers", "value"]),
                ([d, d], ["one directory"]),
                ([], ["directory"]),
        ]:
            done = run("serve", *args)
            assert done.returncode == 2, (args, done)
            assert done.stdout == "" and done.stderr.count("\n") == 1, done
            assert all(word in done.stderr for word in words), done.stderr
        assert os.listdir(d) == []


@test
def the_environment_sets_what_the_command_line_does_not():
    done = run("serve", "/nonexistent/dir", env={"DISKV_WORKERS": "none"})
    assert done.returncode == 2 and "DISKV_WORKERS" in done.stderr
    with Server(env={"DISKV_MAX_VALUE_BYTES": "10"}) as s:
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"x" * 11).status == 413
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"x" * 10).status == 201
    with Server("--max-value-bytes", "20", env={"DISKV_MAX_VALUE_BYTES": "10"}) as s:
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"x" * 11).status == 201


@test
def it_listens_on_every_address_given():
    with tempfile.TemporaryDirectory() as d:
        path = f"{d}/socket"
        with Server(f"--listen=unix:{path}", "--listen", "[::1]:0") as s:
            first, second, third = s.ready_line.removeprefix(f"diskv: serving {s.dir} on ").split(", ")
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", first)
            assert second == f"unix:{path}"
            assert re.fullmatch(r"http://\[::1\]:\d+", third)
            assert curl("-T", "-", f"{first}/keys/k", input=b"v").status == 201
            assert curl("--unix-socket", path, "http://localhost/keys/k").body == b"v"
            assert curl(f"{third}/keys/k").body == b"v"


@test
def an_address_that_cannot_be_had_ends_it_with_1():
    with socket.create_server(("127.0.0.1", 0)) as taken, tempfile.TemporaryDirectory() as d:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--listen", address, d)
        assert done.returncode == 1 and address in done.stderr, done
        for wrong in ("nowhere", "127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:x", "unix:", "[::1:80"):
            done = run("serve", "--listen", wrong, d)
            assert done.returncode in (1, 2) and wrong in done.stderr, done


@test
def the_directory_is_made_but_not_its_parents():
    with tempfile.TemporaryDirectory() as d:
        done = run("serve", "--listen", "127.0.0.1:0", f"{d}/a/b")
        assert done.returncode == 1 and f"{d}/a/b" in done.stderr
        process = subprocess.Popen([DISKV, "serve", "--listen", "127.0.0.1:0", f"{d}/new"], stdout=subprocess.PIPE)
        assert b"serving" in process.stdout.readline()
        assert os.path.isdir(f"{d}/new")
        process.terminate()
        assert process.wait(30) == 0


@test
def sigterm_and_sigint_end_it_with_0():
    for sig in (signal.SIGTERM, signal.SIGINT):
        with Server() as s:
            os.kill(s.pid, sig)
            assert s.process.wait(30) == 0


if __name__ == "__main__":
    main()
