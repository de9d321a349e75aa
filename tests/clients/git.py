"""git: a bare repository that lies among the files is cloned and fetched from (the "dumb" protocol)."""
import pathlib
import shutil

from diskvtest import Server, main, test
from program import files_in, new_folder, run

GIT = ["git", "-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "init.defaultBranch=main"]


def git(folder, *args):
    return run(*GIT, *args, cwd=folder, GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0").decode()


def commit(folder, name):
    (folder / name).write_text(f"{name}\n" * 100, encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", f"add {name}")


def publish(folder, server):
    """Copies a bare repository, as any program may copy files, to where the server finds it."""
    bare = folder / "bare.git"
    shutil.rmtree(bare, ignore_errors=True)
    git(folder, "clone", "-q", "--bare", folder / "work", bare)
    git(bare, "update-server-info")
    shutil.copytree(bare, pathlib.Path(server.dir) / "repo.git", dirs_exist_ok=True)


@test
def a_repository_among_the_files_is_cloned_and_fetched_from():
    with Server() as s, new_folder() as here:
        work, clone = here / "work", here / "clone"
        git(here, "init", "-q", work)
        for name in ("one", "two words", "naïve"):
            commit(work, name)
        git(work, "tag", "-a", "-m", "the first", "v1")
        publish(here, s)
        git(here, "clone", "-q", f"{s.url}/keys/repo.git", clone)
        assert git(clone, "log", "--format=%H %s", "--decorate-refs=none") == git(work, "log", "--format=%H %s")
        assert git(clone, "describe") == "v1\n"

        commit(work, "later")
        git(work, "gc", "-q")  # into one pack
        publish(here, s)
        git(clone, "pull", "-q")
        assert git(clone, "rev-parse", "HEAD") == git(work, "rev-parse", "HEAD")
        assert git(clone, "fsck", "--full", "--strict") == ""
        tracked = {name: value for name, value in files_in(clone).items() if not name.startswith(".git/")}
        assert tracked.keys() == {"one", "two words", "naïve", "later"}
        assert tracked.items() <= files_in(work).items()


if __name__ == "__main__":
    main()
