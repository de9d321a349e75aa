"""An application that Vite built, from --site in Chromium; and pages of other origins that use the store."""
import filecmp
import glob
import json
import os
import shutil
import subprocess
import tempfile

from diskvtest import DISKV, Server, curl, main, skip, test

PROJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vite")
PACKAGES = os.path.join(os.path.dirname(DISKV), "vite")  # kept from run to run
PLAYWRIGHT = os.environ.get("DISKV_NODE_MODULES", os.path.join(os.path.dirname(DISKV), "node", "node_modules"))
IMMUTABLE = "public, max-age=31536000, immutable"


def node_modules():
    """The folder with Vite and what the application uses. Skips the running test where npm's registry is not reached."""
    lock, done = os.path.join(PROJECT, "package-lock.json"), os.path.join(PACKAGES, "done.json")
    if not os.path.exists(done) or not filecmp.cmp(lock, done, shallow=False):
        os.makedirs(PACKAGES, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(PROJECT, name), PACKAGES)
        npm = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit"], cwd=PACKAGES, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if npm.returncode != 0:
            skip(f"npm has no Vite for us: {npm.stdout.decode(errors='replace').strip().splitlines()[-1]}")
        shutil.copy(lock, done)
    return os.path.join(PACKAGES, "node_modules")


def build(folder):
    """Builds the application in a copy of its sources; the folder of what came of it."""
    modules, project = node_modules(), os.path.join(folder, "project")
    shutil.copytree(PROJECT, project)
    os.symlink(modules, os.path.join(project, "node_modules"))
    subprocess.run(["node", "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"], cwd=project, check=True)
    return os.path.join(project, "dist")


def files_in(folder):
    paths = glob.glob("**", root_dir=folder, recursive=True)
    return {path for path in paths if os.path.isfile(os.path.join(folder, path))}


def upload(s, folder, prefix):
    """Puts all files below the folder, as one tar."""
    tar = subprocess.run(["tar", "c", "-C", folder, "."], check=True, stdout=subprocess.PIPE).stdout
    answer = curl("-X", "POST", "-T", "-", f"{s.url}/keys?prefix={prefix}", input=tar)
    assert json.loads(answer.body)["stored"] == len(files_in(folder)), answer.body


def browse(scenario, *urls):
    """Runs a scenario of browse.mjs; what it saw."""
    run = subprocess.run(["node", os.path.join(PROJECT, "browse.mjs"), scenario, *urls], check=True, stdout=subprocess.PIPE,
                         env={**os.environ, "DISKV_NODE_MODULES": PLAYWRIGHT})
    return json.loads(run.stdout)


@test
def an_application_is_loaded_and_reloaded_at_any_of_its_paths():
    with tempfile.TemporaryDirectory() as folder, \
            Server("--site", "app/", "--site-fallback", "index.html", "--cache-control", f"app/assets/*={IMMUTABLE}",
                   "--cache-control", "app/*=no-cache") as s:
        dist = build(folder)
        upload(s, dist, "app/")
        saw = browse("application", s.url)
        assert saw["complaints"] == []
        color, play = "rgb(1, 2, 3)", {"path": "/plays/hamlet", "heading": "Play: hamlet", "images": True}
        assert saw["seen"] == [{"path": "/", "heading": "Home", "color": color, "images": True}, *[{**play, "color": color}] * 2]
        assert saw["reloaded"] == 200
        pages = [answer for answer in saw["answers"] if answer["path"] in ("/", "/plays/hamlet")]
        assets = [answer for answer in saw["answers"] if answer not in pages]
        assert [answer["headers"]["cache-control"] for answer in pages] == ["no-cache"] * 2
        assert {answer["path"].lstrip("/") for answer in assets} == {p for p in files_in(dist) if p.endswith((".js", ".css", ".svg"))}
        for answer in assets:
            headers = answer["headers"]
            assert (answer["status"], headers["cache-control"], headers["x-content-type-options"]) == (200, IMMUTABLE, "nosniff")
            if not answer["path"].endswith(".svg"):
                assert (headers["content-encoding"], headers["vary"]) == ("br", "Accept-Encoding"), answer


def pages():
    """A server with a page to ask from: its origin is another than any other's."""
    s = Server("--site", "")
    curl("-T", "-", s.url + "/keys/index.html", input=b"<!doctype html><link rel=icon href=data:,>")
    return s


@test
def a_page_of_a_listed_origin_reads_and_writes_values_with_their_headers():
    with pages() as home, Server("--cors-origin", home.url) as s:
        etag = curl("-T", "-", "-H", "X-Meta-Author: Jack", s.url + "/keys/a", input=b"all work").headers["etag"]
        saw = browse("stranger", home.url, s.url)
        assert saw["read"] == [200, "all work", etag, "Jack"]
        assert saw["written"][:2] == [204, ""]
        assert saw["reread"] == [200, "new", saw["written"][2], "me"]
        assert saw["complaints"] == []


@test
def the_browser_keeps_answers_from_pages_of_other_origins():
    with pages() as home, pages() as stranger, Server("--cors-origin", home.url) as s:
        curl("-T", "-", s.url + "/keys/a", input=b"all work")
        saw = browse("stranger", stranger.url, s.url)
        assert (saw["read"], saw["written"], saw["reread"]) == ("TypeError",) * 3
        assert "blocked by CORS policy" in saw["complaints"][0]
        assert curl(s.url + "/keys/a").body == b"all work"


if __name__ == "__main__":
    main()
