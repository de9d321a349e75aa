"""The whole tree, tests included, compiles without a warning (-Werror) with both compilers."""
from diskvtest import main, test
from tree import build_dir, must


def builds_without_a_warning(compiler, *options):
    with build_dir(*options, env={"CC": compiler}) as build:
        output = must("ninja", "-C", build, "all", "meson-test-prereq")
        assert "warning:" not in output, output


@test
def gcc_has_nothing_to_say():
    builds_without_a_warning("gcc")


@test
def clang_has_nothing_to_say():
    builds_without_a_warning("clang", "--buildtype=plain")  # its warnings do not depend on optimizing


if __name__ == "__main__":
    main()
