"""Writes the table of media types by extension (media_type.c): media_types.py OUTPUT MIME.TYPES"""
import sys

# What Debian's table lacks: registered since (yaml by RFC 9512, toml), kept out of it as being an
# encoding (bz2; it has gz), or never registered, and shown by browsers and tools under these types.
ADDED = {
    "bz2": "application/x-bzip2",
    "log": "text/plain",
    "map": "application/json",
    "toml": "application/toml",
    "weba": "audio/webm",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}

# What an extension stands for on the web today, where the table has another.
REPLACED = {
    "ts": "video/mp2t",
}


def read(path):
    """The type of each extension, in lower case; the first that the file names."""
    types = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            media_type, *extensions = line.partition("#")[0].split() or [None]
            for extension in extensions:
                types.setdefault(extension.lower(), media_type)
    for extension, media_type in ADDED.items():
        types.setdefault(extension, media_type)
    types |= REPLACED
    assert all(e.count(".") < 2 for e in types), "media_type.c looks up two parts at most"
    return types


def main(output, path):
    types = read(path)
    offsets, strings = {}, b""
    for string in sorted({*types, *types.values()}):
        offsets[string] = len(strings)
        strings += string.encode() + b"\0"
    numbers = [",".join(map(str, strings[i:i + 24])) for i in range(0, len(strings), 24)]
    with open(output, "w", encoding="ascii") as out:
        out.write("static const char strings[] = {\n" + ",\n".join(numbers) + "\n};\n\n")
        out.write("static const struct row rows[] = {\n")
        out.writelines(f"    {{{offsets[e]}, {offsets[types[e]]}}},\n" for e in sorted(types))
        out.write("};\n")


main(*sys.argv[1:])
