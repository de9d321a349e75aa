"""rclone: its http backend reads the index pages as folders."""
import pathlib

from diskvtest import Server, main, test
from program import files_in, new_folder, put_names, run, write_files

RCLONE = ["rclone", "--config", "/dev/null", "--http-headers", "Accept,text/html"]
NAMES = [*(f"many/{number}" for number in range(300)), "two words", "100%", "%41", "q?x", "#hash", "naïve", "a+b",
         "deep/er/日本", "deep/empty folders are none"]


@test
def a_folder_is_copied_whole_and_found_equal():
    with Server("--sync", "none") as s, new_folder() as here:
        put_names(s, "folder/", NAMES)
        url = f"{s.url}/keys/folder/"
        run(*RCLONE, "copy", "--http-url", url, ":http:", here / "copy", cwd=here)
        assert files_in(here / "copy") == {name: name.encode() for name in NAMES}
        run(*RCLONE, "check", "--download", "--http-url", url, ":http:", here / "copy", cwd=here)


@test
def a_value_that_differs_is_found():
    with Server("--sync", "none") as s, new_folder() as here:
        put_names(s, "folder/", ["one", "two"])
        write_files(here / "copy", ["one"])
        (here / "copy/two").write_bytes(b"TWO")
        check = [*RCLONE, "check", "--download", "--http-url", f"{s.url}/keys/folder/", ":http:", here / "copy"]
        assert run(*check, "--differ", "-", cwd=here, code=1) == b"two\n"


@test
def a_folder_longer_than_a_page_is_listed_whole():
    names = [f"{number:04}" for number in range(2500)]
    with new_folder() as data, new_folder() as here:
        write_files(data / "long", names)
        with Server(dir=data) as s:
            listed = run(*RCLONE, "lsf", "--http-no-head", "--http-url", f"{s.url}/keys/long/", ":http:", cwd=here)
            assert listed.decode().split() == names


@test
def a_folder_is_read_again_after_it_changed():
    with Server() as s, new_folder() as here:
        put_names(s, "folder/", ["one"])
        copy = [*RCLONE, "copy", "--http-url", f"{s.url}/keys/folder/", ":http:", here / "copy"]
        run(*copy, cwd=here)
        put_names(s, "folder/", ["sub/two"])
        pathlib.Path(s.dir, "folder/one").write_bytes(b"longer than it was")
        run(*copy, cwd=here)
        assert files_in(here / "copy") == {"one": b"longer than it was", "sub/two": b"sub/two"}


if __name__ == "__main__":
    main()
