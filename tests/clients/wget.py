"""wget: resumes a file, and follows the index pages into every folder."""
import os
import pathlib

from diskvtest import Server, main, test
from program import files_in, new_folder, put_names, run, write_files

WGET = ["wget", "--no-config", "--no-verbose"]
CRAWL = [*WGET, "--recursive", "--no-parent", "--no-host-directories", "--cut-dirs=2",
         "--restrict-file-names=nocontrol"]  # else it escapes what it takes for control characters
NAMES = ["plain", "two words.txt", "100%", "q?x=1&y", "#hash", "naïve", "sub/日本", "sub/a+b", "sub/deep/er/x",
         "sub/deep/'quoted' \"twice\" <b>"]


def crawl(here, url, *options):
    """The values that it finds, without the pages that it found them by."""
    run(*CRAWL, *options, url, cwd=here)
    return {name: value for name, value in files_in(here).items() if not value.startswith(b"<!DOCTYPE html>")}


def as_written(names):
    return {name: name.encode() for name in names}


@test
def a_download_that_was_cut_off_is_resumed():
    value = os.urandom(3_000_000)
    with Server() as s, new_folder() as here:
        pathlib.Path(s.dir, "v").write_bytes(value)
        (here / "v").write_bytes(value[:1_234_567])
        run(*WGET, "-c", f"{s.url}/keys/v", cwd=here)
        assert files_in(here) == {"v": value}
        run(*WGET, "-c", f"{s.url}/keys/v", cwd=here)  # there is no more
        assert files_in(here) == {"v": value}


@test
def every_value_behind_a_folder_is_found_under_its_name():
    with Server("--sync", "none") as s, new_folder() as by_query, new_folder() as by_accept:
        put_names(s, "folder/", NAMES)
        assert crawl(by_query, f"{s.url}/keys/folder/?html") == as_written(NAMES)
        assert crawl(by_accept, f"{s.url}/keys/folder/", "--header=Accept: text/html") == as_written(NAMES)


@test
def every_page_of_a_long_folder_is_found():
    names = [f"{number:04}" for number in range(1100)]
    with new_folder() as data, new_folder() as here:
        write_files(data / "long", names)
        with Server(dir=data) as s:
            assert crawl(here, f"{s.url}/keys/long/?html") == as_written(names)


@test
def what_did_not_change_is_not_fetched_again():
    with Server() as s, new_folder() as here:
        put_names(s, "folder/", ["same", "other"])
        for name in ("same", "other"):
            os.utime(f"{s.dir}/folder/{name}", (0, 0))
        assert crawl(here, f"{s.url}/keys/folder/?html", "-N") == as_written(["same", "other"])
        pathlib.Path(s.dir, "folder/other").write_bytes(b"a new value of another length")
        before = (here / "same").stat().st_ctime_ns
        found = crawl(here, f"{s.url}/keys/folder/?html", "-N")
        assert found == {"same": b"same", "other": b"a new value of another length"}
        assert (here / "same").stat().st_ctime_ns == before


if __name__ == "__main__":
    main()
