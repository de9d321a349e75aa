"""ccache: what one machine has compiled, another gets from the server."""
from diskvtest import Server, main, test
from program import files_in, new_folder, run

SOURCES = 8


def compile_all(folder, storage):
    """Compiles with a local cache of its own; returns the objects and ccache's counters."""
    env = {"CCACHE_DIR": str(folder / "cache"), "CCACHE_REMOTE_STORAGE": storage}
    (folder / "out").mkdir()
    for number in range(SOURCES):
        (folder / f"{number}.c").write_text(f"#include <stdio.h>\nint f{number}(void) {{ return getchar(); }}\n")
        run("ccache", "gcc", "-O2", "-c", f"{number}.c", "-o", f"out/{number}.o", cwd=folder, **env)
    lines = run("ccache", "--print-stats", cwd=folder, **env).decode().splitlines()
    return files_in(folder / "out"), {name: int(count) for name, count in map(str.split, lines)}


def check(storage_options=""):
    with Server() as s, new_folder() as first, new_folder() as second:
        storage = f"{s.url}/keys/cache{storage_options}"
        made, stats = compile_all(first, storage)
        assert (stats["remote_storage_hit"], stats["remote_storage_miss"]) == (0, SOURCES), stats
        assert stats["remote_storage_error"] == stats["remote_storage_timeout"] == 0, stats
        got, stats = compile_all(second, storage)
        assert (stats["remote_storage_hit"], stats["cache_miss"]) == (SOURCES, 0), stats
        assert stats["direct_cache_hit"] == SOURCES, stats
        assert len(got) == SOURCES and got == made


@test
def a_second_build_with_an_empty_cache_of_its_own_is_all_hits():
    check()


@test
def so_it_is_with_keys_as_bazel_names_them():
    check("|layout=bazel")


@test
def so_it_is_with_all_keys_in_one_folder():
    check("|layout=flat")


if __name__ == "__main__":
    main()
