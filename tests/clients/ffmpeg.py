"""ffmpeg: uploads a live stream (HLS) segment by segment, and plays it from the server."""
import time

from diskvtest import Server, curl, main, test
from program import new_folder, run

SECONDS, RATE = 6, 25
FFMPEG = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error"]
# Faster than life, but slower than the server: ffmpeg does not wait for answers, each file has its connection.
SOURCE = ["-readrate", "4", "-f", "lavfi", "-i", f"testsrc=size=160x120:rate={RATE}:duration={SECONDS}"]
SEGMENTS = ["-c:v", "mpeg2video", "-g", RATE, "-f", "hls", "-hls_time", "1", "-method", "PUT"]


def names_in(server):
    text = curl(f"{server.url}/keys?prefix=live/").body.decode()
    return {item.split('"')[0] for item in text.split('"key":"live/')[1:]}


def upload(server, here, *options):
    """Streams a test picture, and waits until the playlist's end has arrived; returns the playlist."""
    url = f"{server.url}/keys/live/list.m3u8"
    run(*FFMPEG, *SOURCE, *SEGMENTS, *options, url, cwd=here)
    for _ in range(100):
        playlist = curl(url)
        if playlist.body.endswith(b"#EXT-X-ENDLIST\n"):
            break
        time.sleep(0.1)
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    return playlist.body.decode()


def frames_played(server, here):
    counted = run("ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
                  "stream=nb_read_frames", "-of", "default=nokey=1:noprint_wrappers=1",
                  f"{server.url}/keys/live/list.m3u8", cwd=here)
    return int(counted.split()[0])


@test
def a_stream_is_uploaded_in_segments_and_played_to_the_last_frame():
    with Server() as s, new_folder() as here:
        playlist = upload(s, here, "-hls_list_size", "0")
        segments = {f"list{number}.ts" for number in range(SECONDS)}
        assert names_in(s) == {"list.m3u8", *segments}
        assert {line for line in playlist.split() if line.endswith(".ts")} == segments
        assert frames_played(s, here) == SECONDS * RATE
        run(*FFMPEG, "-i", f"{s.url}/keys/live/list.m3u8", "-f", "null", "-", cwd=here)


@test
def segments_that_left_the_playlist_are_deleted():
    with Server() as s, new_folder() as here:
        playlist = upload(s, here, "-hls_list_size", "2", "-hls_delete_threshold", "1", "-hls_flags", "delete_segments")
        listed = {line for line in playlist.split() if line.endswith(".ts")}
        assert listed == {f"list{SECONDS - 2}.ts", f"list{SECONDS - 1}.ts"}
        assert names_in(s) == {"list.m3u8", f"list{SECONDS - 3}.ts", *listed}  # ffmpeg keeps one more
        assert frames_played(s, here) == 2 * RATE


if __name__ == "__main__":
    main()
