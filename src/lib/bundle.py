"""bundle.py CC OBJCOPY AR LIBRARY.a ARCHIVE…: one static library of several, whose hidden symbols are
nobody else's: without this a program that has a `buf_add` of its own could not link."""
import os
import subprocess
import sys

cc, objcopy, ar, library, *archives = sys.argv[1:]
whole = os.path.splitext(library)[0] + ".o"
subprocess.run([*cc.split(), "-r", "-nostdlib", "-o", whole, "-Wl,--whole-archive", *archives], check=True)
subprocess.run([objcopy, "--localize-hidden", whole], check=True)
if os.path.exists(library):
    os.remove(library)
subprocess.run([ar, "rcs", library, whole], check=True)
os.remove(whole)
