"""curl: what it does beyond one GET or PUT."""
import os
import pathlib

from diskvtest import Server, main, test
from program import files_in, new_folder, run, write_files

MANY = 100
CURL = ["curl", "-q", "-sS"]
STATUS = [*CURL, "-o", "response", "-w", "%{http_code}"]


@test
def a_download_that_was_cut_off_is_resumed():
    value = os.urandom(3_000_000)
    with Server() as s, new_folder() as here:
        run(*CURL, "-T", "-", f"{s.url}/keys/v", cwd=here, input=value)
        (here / "v").write_bytes(value[:1_234_567])
        run(*CURL, "-C", "-", "-O", f"{s.url}/keys/v", cwd=here)
        assert (here / "v").read_bytes() == value
        run(*CURL, "-C", "-", "-O", f"{s.url}/keys/v", cwd=here)  # there is no more
        assert (here / "v").read_bytes() == value


@test
def a_resumed_upload_is_refused_and_the_value_stays():
    with Server() as s, new_folder() as here:
        (here / "v").write_bytes(b"the whole value")
        assert run(*STATUS, "-T", "v", f"{s.url}/keys/v", cwd=here) == b"201"
        for offset in ("-", "4"):
            assert run(*STATUS, "-C", offset, "-T", "v", f"{s.url}/keys/v", cwd=here) == b"400"
            assert b"only be replaced as a whole" in (here / "response").read_bytes()
        assert run(*CURL, f"{s.url}/keys/v", cwd=here) == b"the whole value"


@test
def many_values_go_up_and_down_in_parallel():
    names = [f"{number}" for number in range(MANY)]
    with Server() as s, new_folder() as here:
        write_files(here / "up", names)
        files = ",".join(names)
        run(*CURL, "--parallel", "-T", f"up/{{{files}}}", f"{s.url}/keys/many/", cwd=here)
        assert files_in(pathlib.Path(s.dir) / "many") == files_in(here / "up")
        run(*CURL, "--parallel", "--create-dirs", "-o", "down/#1", f"{s.url}/keys/many/[0-{MANY - 1}]", cwd=here)
        assert files_in(here / "down") == files_in(here / "up")


@test
def standard_input_is_stored_as_it_comes():
    value = os.urandom(1_000_000)
    with Server() as s, new_folder() as here:
        assert run(*STATUS, "-T", "-", f"{s.url}/keys/v", cwd=here, input=value) == b"201"
        assert run(*STATUS, "-T", ".", f"{s.url}/keys/w", cwd=here, input=value) == b"201"
        assert run(*CURL, f"{s.url}/keys/{{v,w}}", cwd=here) == 2 * value


@test
def a_file_put_to_a_folder_keeps_its_name():
    with Server() as s, new_folder() as here:
        write_files(here, ["plain", "two words", "naïve"])
        for name in ("plain", "two words", "naïve"):
            for prefix in ("", "folder/"):
                assert run(*STATUS, "-T", name, f"{s.url}/keys/{prefix}", cwd=here) == b"201"
                with open(f"{s.dir}/{prefix}{name}", encoding="utf-8") as file:
                    assert file.read() == name


@test
def an_entity_tag_that_was_saved_spares_a_download():
    tags = ["--etag-save", "tag", "--etag-compare", "tag"]
    with Server() as s, new_folder() as here:
        for value in (b"one", b"two"):
            run(*CURL, "-T", "-", f"{s.url}/keys/v", cwd=here, input=value)
            assert run(*STATUS, *tags, f"{s.url}/keys/v", cwd=here) == b"200"
            assert (here / "response").read_bytes() == value
            assert run(*STATUS, *tags, f"{s.url}/keys/v", cwd=here) == b"304"


@test
def a_file_that_is_no_older_spares_a_download():
    with Server() as s, new_folder() as here:
        run(*CURL, "-T", "-", f"{s.url}/keys/v", cwd=here, input=b"value")
        run(*CURL, "-R", "-o", "copy", f"{s.url}/keys/v", cwd=here)
        assert run(*STATUS, "-z", "copy", f"{s.url}/keys/v", cwd=here) == b"304"
        os.utime(here / "copy", (0, 0))
        assert run(*STATUS, "-z", "copy", f"{s.url}/keys/v", cwd=here) == b"200"


if __name__ == "__main__":
    main()
