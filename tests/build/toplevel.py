"""The top level of the checkout holds what the README explains, and no more."""
import fnmatch
import os

from diskvtest import main, test
from tree import TOP

ALLOWED = ["src", "include", "www", "tests", "docker", "meson.build", "README.md", "run", "LICENSE", ".*"]
IGNORED = ["build*", "data"]  # as in .gitignore: what ./run makes


@test
def the_top_level_holds_only_what_it_may():
    names = os.listdir(TOP)
    strange = [name for name in names
               if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ALLOWED + IGNORED)]
    assert strange == [], strange


@test
def what_a_checkout_needs_is_there():
    wanted = ["src", "include", "www", "tests", "docker", "meson.build", "README.md", "run", "LICENSE"]
    assert sorted(wanted) == sorted(set(wanted) & set(os.listdir(TOP)))


if __name__ == "__main__":
    main()
