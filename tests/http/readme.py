"""The README's commands work as pasted, and their output is what it shows."""
import os
import re
import subprocess

from diskvtest import DISKV, Server, main, test

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def readme():
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        return file.read()


def examples():
    """The (command, output) pairs of the console block."""
    block = re.search(r"```console\n(.*?)```", readme(), re.S)[1]
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def without_time(text):
    """Only the time of a change differs from run to run."""
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME", text)


@test
def every_command_prints_what_the_readme_shows():
    with Server() as s:
        ran = 0
        for command, output in examples():
            command = command.replace("http://127.0.0.1:8080", s.url).replace("curl ", "curl -qsS ")
            done = subprocess.run(["sh", "-c", command.replace("cat data/", "cat ")], cwd=s.dir, capture_output=True,
                                  text=True, timeout=30, check=False)
            assert done.returncode == 0 and done.stderr == "", done
            assert without_time(done.stdout).rstrip("\n") == without_time(output).rstrip("\n"), command
            ran += command.startswith(("curl", "echo"))
        assert ran >= 5
        assert os.listdir(s.dir) == [".diskv"]


@test
def every_option_that_the_readme_names_is_one():
    options = "".join(subprocess.run([DISKV, command, "--help"], capture_output=True, text=True, check=True).stdout
                      for command in ("serve", "verify", "import", "export", "ls"))
    for name in set(re.findall(r"`(--[a-z-]+)", readme())):
        assert re.search(rf"^  {name}\b", options, re.M), name


if __name__ == "__main__":
    main()
