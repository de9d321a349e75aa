"""src/meson.build promises that a call upwards, or past libdiskv, fails to link; here are the calls."""
from diskvtest import main, test
from tree import build_dir, copy_of_tree, must, run

LAYERS = ["util", "layout", "index", "codec", "cache", "engine", "store", "http", "cli"]
MAY_CALL = {
    "util": [],
    "layout": ["util"],
    "index": ["util"],
    "codec": ["util"],
    "cache": ["util"],
    "engine": ["util", "layout"],
    "store": ["util", "layout", "index", "codec", "cache", "engine"],
    "http": ["util"],
    "cli": ["util", "http"],
}
# Above libdiskv, which is made of the layers up to store, there is nothing beneath but diskv.h and util.
OUT_OF_REACH = {
    "util": ["layout", "index", "codec", "cache", "engine", "store", "http", "cli"],
    "layout": ["index", "codec", "cache", "engine", "store", "http", "cli"],
    "index": ["layout", "codec", "cache", "engine", "store", "http", "cli"],
    "codec": ["layout", "index", "cache", "engine", "store", "http", "cli"],
    "cache": ["layout", "index", "codec", "engine", "store", "http", "cli"],
    "engine": ["index", "codec", "cache", "store", "http", "cli"],
    "store": ["http", "cli"],
    "http": ["layout", "index", "codec", "cache", "engine", "store", "cli"],
    "cli": ["layout", "index", "codec", "cache", "engine", "store"],
}


def add_calls(tree, layer, callees):
    """Gives a layer a function of its own and one that calls those of other layers."""
    names = [layer, *callees]
    lines = [f"void probe_{name}(void);" for name in names]
    lines += [f"void calls_of_{layer}(void);", f"void probe_{layer}(void)", "{", "}"]
    lines += [f"void calls_of_{layer}(void)", "{", *[f"    probe_{c}();" for c in callees], "}"]
    (tree / "src" / layer / "probe.c").write_text("\n".join(lines) + "\n")
    with open(tree / "src" / layer / "meson.build", "a", encoding="utf-8") as build:
        build.write("sources += files('probe.c')\n")


def seams(names):
    return [f"src/libseam_{name}.so" for name in names]


@test
def calls_downwards_link():
    with copy_of_tree() as tree:
        for layer in LAYERS:
            add_calls(tree, layer, MAY_CALL[layer])
        with build_dir("--buildtype=debug", source=tree) as build:
            must("ninja", "-C", build, *seams(LAYERS))


@test
def every_other_call_fails_to_link():
    with copy_of_tree() as tree:
        for layer in LAYERS:
            add_calls(tree, layer, OUT_OF_REACH.get(layer, []))
        with build_dir("--buildtype=debug", source=tree) as build:
            for layer, callees in OUT_OF_REACH.items():
                code, output = run("ninja", "-C", build, *seams([layer]))
                assert code != 0, f"{layer} links with calls of {callees}"
                for callee in callees:
                    assert f"undefined reference to `probe_{callee}'" in output, output


if __name__ == "__main__":
    main()
