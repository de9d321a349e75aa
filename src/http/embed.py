"""Writes the page's files as C tables (assets.h): embed.py OUTPUT ROOT FILE…"""
import gzip
import hashlib
import os
import pathlib
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


def table(name, data):
    lines = [",".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24)]
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines or ["0"]) + "\n};\n"


def asset(number, root, file):
    """The C text of a file's tables, and its row."""
    data = file.read_bytes()
    packed = gzip.compress(data, 9, mtime=0)
    path = os.path.relpath(file, root)
    path = "" if path == "index.html" else path
    etag = hashlib.sha256(data).hexdigest()[:24]
    tables, gzipped = table(f"data_{number}", data), "NULL, 0"
    if len(packed) < len(data) * 0.9:
        tables += table(f"gzip_{number}", packed)
        gzipped = f"gzip_{number}, {len(packed)}"
    row = f'"/{path}", "{TYPES[file.suffix]}", "{etag}", data_{number}, {len(data)}, {gzipped}'
    return tables, f"    {{{row}}},\n"


def main(output, root, *files):
    made = [asset(i, root, pathlib.Path(file)) for i, file in enumerate(files)]
    with open(output, "w", encoding="ascii") as out:
        out.write('#include "assets.h"\n\n')
        out.writelines(tables for tables, _ in made)
        out.write("\nconst struct asset assets[] = {\n")
        out.writelines(row for _, row in made)
        out.write(f"}};\nconst size_t asset_count = {len(made)};\n")


main(*sys.argv[1:])
