"""What `meson install` installs is all that a C program needs, with nothing but cc and pkg-config."""
import atexit
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from diskvtest import main, test
from tree import TOP, build_dir, must

EXAMPLES = TOP / "tests/examples"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
FORMS = {"shared": [], "static": ["--static"]}


@functools.cache
def work_dir():
    path = tempfile.mkdtemp(prefix="diskvtest.")
    atexit.register(shutil.rmtree, path)
    return pathlib.Path(path)


@functools.cache
def prefix():
    """Where everything is installed, once for all tests."""
    path = work_dir() / "usr"
    with build_dir(f"--prefix={path}", "--libdir=lib") as build:
        must("meson", "install", "-C", build)
    return path


def pkg_config(*options):
    return must("pkg-config", *options, "diskv", env={"PKG_CONFIG_PATH": str(prefix() / "lib/pkgconfig")}).split()


def compiled(source, form="shared"):
    """The program that `source`, a path, makes with the library in that form."""
    program = work_dir() / f"{source.stem}-{form}"
    flags = pkg_config("--cflags", "--libs", *FORMS[form])
    must("cc", *STRICT, *(["-static"] if form == "static" else []), "-o", program, source, *flags)
    return program


def output(program, *args, input="", cwd=None):
    done = subprocess.run([program, *args], input=input, capture_output=True, text=True, timeout=60, cwd=cwd,
                          env={**os.environ, "LD_LIBRARY_PATH": str(prefix() / "lib")}, check=False)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


def outputs(example, *args, files=None, input=""):
    """What an example prints with each form of the library, in a new directory that holds `files`."""
    for form in FORMS:
        with tempfile.TemporaryDirectory(prefix="diskvtest.") as temp:
            data = pathlib.Path(temp) / "data"
            for name, value in (files or {}).items():
                (data / name).parent.mkdir(parents=True, exist_ok=True)
                (data / name).write_text(value, encoding="utf-8")
            yield output(compiled(EXAMPLES / example, form), data, *args, input=input), data


def plain_files(folder):
    """The names and texts of the files in a folder, without what the store keeps for itself."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}


def fnv_1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % (1 << 64)
    return f"{value:016x}"


@test
def the_library_its_header_and_the_program_are_installed():
    found = sorted(str(path.relative_to(prefix())) for path in prefix().rglob("*") if not path.is_dir())
    version = output(prefix() / "bin/diskv", "--version").split()[1]
    assert found == ["bin/diskv", "include/diskv.h", "lib/libdiskv.a", "lib/libdiskv.so", "lib/libdiskv.so.0",
                     f"lib/libdiskv.so.{version}", "lib/pkgconfig/diskv.pc"], found
    assert pkg_config("--modversion") == [version]


@test
def both_forms_export_what_the_header_declares_and_no_more():
    header = re.sub(r"/\*.*?\*/", "", (prefix() / "include/diskv.h").read_text(encoding="utf-8"), flags=re.S)
    declared = set(re.findall(r"^(?!typedef)\w[^;(]*\b(diskv_\w+)\(", header, re.M))
    assert {"diskv_open", "diskv_get", "diskv_strerror", "diskv_iter_next"} <= declared
    for command in (["nm", "-D", prefix() / "lib/libdiskv.so"], ["nm", "-g", prefix() / "lib/libdiskv.a"]):
        symbols = must(*command, "--defined-only", "--format=posix")
        exported = {line.split()[0] for line in symbols.splitlines() if len(line.split()) > 1}
        assert exported == declared, exported ^ declared


@test
def a_program_loads_the_library_by_the_version_of_its_interface():
    shared = must("readelf", "-d", compiled(EXAMPLES / "super_simple.c"))
    assert "[libdiskv.so.0]" in shared, shared
    static = must("readelf", "-d", compiled(EXAMPLES / "super_simple.c", "static"))
    assert "NEEDED" not in static, static


@test
def the_header_compiles_as_c11_and_as_cpp_without_any_other():
    for language in (["c", "-std=c11"], ["c++", "-std=c++11"]):
        must("clang", "-fsyntax-only", *STRICT, "-x", *language, prefix() / "include/diskv.h")


@test
def super_simple_writes_reads_and_erases():
    for printed, data in outputs("super_simple.c"):
        assert printed == "1\n2\n3\ngone\n"
        assert os.listdir(data) == [".diskv"]


@test
def content_addressable_keeps_equal_values_once():
    lines = ["a stitch in time", "saves nine", "a stitch in time", "æøå"]
    expected = {fnv_1a(line.encode()): line for line in lines}
    for printed, data in outputs("content_addressable.c", input="\n".join(lines)):
        assert printed == "".join(f"{key}: {expected[key]}\n" for key in sorted(expected)) + "3 keys in all\n"
        assert plain_files(data) == expected


@test
def keys_by_prefix_lists_files_that_were_there_before():
    files = {"b": "1", "photos/2023/x.jpg": "22", "photos/2024/a.jpg": "333", "photos/2024/b.jpg": "", "photos2": "4"}
    for printed, _ in outputs("keys_by_prefix.c", "photos/", files=files):
        assert printed == "photos/2023/x.jpg 2\nphotos/2024/a.jpg 3\nphotos/2024/b.jpg 0\n"
    for printed, _ in outputs("keys_by_prefix.c", "", "2", files=files):
        assert printed == "b 1\nphotos/2023/x.jpg 2\n"


@test
def git_like_keeps_hashes_below_objects_and_finds_them_again():
    hashes = [hashlib.sha1(text).hexdigest() for text in (b"one", b"two")]
    for printed, data in outputs("git_like.c", *hashes, "refs/heads/main"):
        assert printed == "".join(f"{key}\n" for key in sorted([*hashes, "refs/heads/main"]))
        for key in hashes:
            assert (data / "objects" / key[:2] / key[2:]).read_text(encoding="utf-8") == key
        assert (data / "refs/heads/main").read_text(encoding="utf-8") == "refs/heads/main"


@test
def advanced_transform_gives_files_a_suffix_and_leaves_others_alone():
    files = {"notes/plan.txt": "old", "notes/plan.md": "not the store's"}
    for printed, data in outputs("advanced_transform.c", "notes/plan", "new", files=files):
        assert printed == "new\nkeys: 1, files of others: 1\n"
        assert plain_files(data / "notes") == {"plan.txt": "new", "plan.md": "not the store's"}


@test
def the_program_of_the_readme_prints_what_the_readme_shows():
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    program, shown = re.search(r"```c\n(.*?)```.*?\$ \./hello\n(.*?)```", readme, re.S).groups()
    source = work_dir() / "hello.c"
    source.write_text(program, encoding="utf-8")
    for form in FORMS:
        with tempfile.TemporaryDirectory(prefix="diskvtest.") as temp:
            assert output(compiled(source, form), cwd=temp) == shown


if __name__ == "__main__":
    main()
