"""Unit and contract tests once more, under the address, leak and undefined-behaviour sanitizers."""
from diskvtest import main, test
from tree import build_dir, must

STRICT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


@test
def unit_and_contract_tests_pass_under_the_sanitizers():
    options = ["--buildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false",
               "-Doptimization=1", "-Dwerror=false"]  # compiles twice as fast; warnings are another test's
    with build_dir(*options) as build:
        must("meson", "test", "-C", build, "--suite", "unit", "--suite", "contract", "--verbose",
             env=STRICT)


if __name__ == "__main__":
    main()
