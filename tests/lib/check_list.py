"""check_list.py FOLDER SUFFIX NAME…: fails unless FOLDER's files with SUFFIX are the NAMEs, each once."""
import pathlib
import sys

folder, suffix, *names = sys.argv[1:]
found = sorted(path.stem for path in pathlib.Path(folder).glob("*" + suffix))
for name in sorted(set(found) ^ set(names)):
    where = "not listed in" if name in found else "missing but listed in"
    print(f"{folder}/{name}{suffix} is {where} {folder}/meson.build", file=sys.stderr)
sys.exit(found != sorted(names))
