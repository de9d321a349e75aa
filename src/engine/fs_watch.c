/* Other programs' changes, by inotify. A thread reads the queue and turns what is in it into keys
 * and places; whoever scans a place adds its watch. The lock keeps the map as the queue, as far as
 * it was read, and the file system say: a path in it may be old, but what made it so is still in
 * the queue. */
#include "fs.h"

#include "sys.h"
#include "util.h"
#include "watch_map.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS                                                                          \
    (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | \
     IN_DELETE | IN_ONLYDIR | IN_EXCL_UNLINK)

/* What comes in a rush is gathered for so long, and read at once. */
#define GATHER_MS 20

/* How soon the queue is opened again where the user had no more of them. */
#define RETRY_MS 1000

/* Watches that are removed between two looks at the queue, in which each leaves a line. */
#define REMOVE_MAX 4096

struct fs_watch {
    struct fs *fs;
    struct engine_watcher watcher;
    pthread_t thread;
    int stop_fd;
    atomic_ullong places, refused; /* as many as the map has, and how often it took none */
    pthread_mutex_t lock;
    int fd; /* the queue, a negative errno where there is none */
    struct watch_map map;
};

/* --- Under the lock: the map --- */

/* Takes a directory and those below out of the map, and tells of them. */
static void dir_forget(struct fs_watch *w, struct watched *dir)
{
    for (bool last = false; !last;) {
        struct watched *leaf = watch_map_leaf(dir);
        last = leaf == dir;
        w->watcher.place(w->watcher.ctx, leaf->path, leaf->len);
        watch_map_detach(&w->map, leaf);
    }
}

/* Removes watches of directories that went elsewhere; those that were found there since have theirs
 * again. */
static void detached_remove(struct fs_watch *w)
{
    for (size_t n = 0; w->map.detached && n < REMOVE_MAX; n++) {
        sys_inotify_remove(w->fd, w->map.detached->number);
        watch_map_remove(&w->map, w->map.detached);
    }
}

static bool leads_to(const struct fs_watch *w, const char *place, const struct stat *dir)
{
    struct stat st;
    return !sys_stat(w->fs->dir_fd, place, &st) && fs_same_file(&st, dir);
}

/* The directory had a watch: it is the one that is known by that path, or was moved. False where it
 * has two paths that both lead to it: then it keeps the first. */
static bool number_clear(struct fs_watch *w, struct watched *dir, const struct stat *st)
{
    if (!dir->detached) {
        if (leads_to(w, dir->path, st))
            return false;
        dir_forget(w, dir);
    }
    watch_map_remove(&w->map, dir);
    return true;
}

/* Notes that the place, where directory `st` was found, has a watch. A directory that is another by
 * now needs none: what moved it has been told of, or will be. */
static int place_note(struct fs_watch *w, const char *place, int number, const struct stat *st)
{
    size_t len = strlen(place);
    struct watched *dir = watch_map_number(&w->map, number);
    if (dir && !dir->detached && strcmp(dir->path, place) == 0)
        return 0;
    if (dir && !number_clear(w, dir, st))
        return DISKV_ECONFLICT;
    if (!leads_to(w, place, st)) {
        sys_inotify_remove(w->fd, number);
        return DISKV_ENOTFOUND;
    }
    dir = watch_map_path(&w->map, place, len);
    if (dir)
        dir_forget(w, dir);
    int rc = watch_map_add(&w->map, number, place, len);
    if (rc)
        sys_inotify_remove(w->fd, number);
    return rc;
}

int fs_watch_add(struct fs_watch *w, const char *place, int fd)
{
    struct stat st;
    int rc = sys_stat(fd, "", &st);
    if (rc)
        return rc;
    pthread_mutex_lock(&w->lock);
    int number = w->fd < 0 ? w->fd : sys_inotify_add(w->fd, fd, EVENTS);
    if (number == -ENOSPC && w->map.detached) {
        detached_remove(w);
        number = sys_inotify_add(w->fd, fd, EVENTS);
    }
    rc = number < 0 ? DISKV_EUNAVAILABLE : place_note(w, place, number, &st);
    atomic_store(&w->places, w->map.count);
    pthread_mutex_unlock(&w->lock);
    if (rc == DISKV_ENOTFOUND)
        return -ENOENT;
    if (rc)
        atomic_fetch_add(&w->refused, 1);
    return 0;
}

/* Begins anew: no watch is left. */
static void queue_open(struct fs_watch *w)
{
    if (w->fd >= 0)
        close(w->fd);
    watch_map_clear(&w->map);
    w->fd = sys_inotify_init();
}

/* --- Under the lock: the queue --- */

/* Of a directory that was made, or whose times or permissions are others, nothing needs to be told
 * where it was found and watched already. */
static void dir_event(struct fs_watch *w, uint32_t mask, const char *path)
{
    size_t len = strlen(path);
    struct watched *dir = watch_map_path(&w->map, path, len);
    if (dir && mask & (IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE))
        dir_forget(w, dir);
    else if (!dir && w->fs->layout->has_dir(w->fs->layout, path))
        w->watcher.place(w->watcher.ctx, path, len);
}

static void file_event(struct fs_watch *w, const char *path)
{
    char key[DISKV_KEY_MAX + 1];
    size_t len;
    if (w->fs->layout->to_key(w->fs->layout, path, key, &len) == 0)
        w->watcher.key(w->watcher.ctx, key, len);
}

static void event_handle(struct fs_watch *w, const struct inotify_event *e)
{
    struct watched *dir = watch_map_number(&w->map, e->wd);
    char path[LAYOUT_PATH_SIZE];
    if (!dir)
        return;
    if (e->mask & IN_IGNORED) {
        if (!dir->detached)
            dir_forget(w, dir);
        watch_map_remove(&w->map, dir);
        return;
    }
    if (dir->detached || !e->len || (!dir->len && strcmp(e->name, FS_PRIVATE) == 0))
        return;
    int len = snprintf(path, sizeof path, "%s%s%s", dir->path, dir->len ? "/" : "", e->name);
    if (len < 0 || (size_t)len >= sizeof path)
        return;
    if (e->mask & IN_ISDIR)
        dir_event(w, e->mask, path);
    else
        file_event(w, path);
}

/* False where the queue ran over. */
static bool events_handle(struct fs_watch *w, const char *buf, size_t len)
{
    for (size_t at = 0; at < len;) {
        const struct inotify_event *e = (const void *)(buf + at);
        if (e->mask & IN_Q_OVERFLOW)
            return false;
        event_handle(w, e);
        at += sizeof *e + e->len;
    }
    return true;
}

/* Reads some of what is in the queue: 1, 0 where nothing is left, or negative where it cannot be
 * relied on. */
static int queue_read(struct fs_watch *w)
{
    _Alignas(struct inotify_event) char buf[64 * 1024];
    int64_t n = w->fd < 0 ? w->fd : sys_read(w->fd, buf, sizeof buf);
    if (n > 0 && !events_handle(w, buf, (size_t)n))
        n = -EOVERFLOW;
    detached_remove(w);
    return n == -EAGAIN ? 0 : n < 0 ? -1 : 1;
}

void fs_watch_hold(struct fs_watch *w)
{
    if (w)
        pthread_mutex_lock(&w->lock);
}

void fs_watch_go_on(struct fs_watch *w, const char *path)
{
    if (!w)
        return;
    file_event(w, path);
    pthread_mutex_unlock(&w->lock);
}

/* --- The thread --- */

/* Empties the queue, or begins anew. */
static void queue_look(struct fs_watch *w)
{
    int more;
    bool lost = false;
    do {
        pthread_mutex_lock(&w->lock);
        more = queue_read(w);
        if (more < 0) {
            bool had = w->fd >= 0;
            queue_open(w);
            lost = had || w->fd >= 0;
        }
        atomic_store(&w->places, w->map.count);
        pthread_mutex_unlock(&w->lock);
    } while (more > 0);
    if (lost)
        w->watcher.lost(w->watcher.ctx);
}

static void *watch_main(void *arg)
{
    struct fs_watch *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        struct pollfd fds[] = {{.fd = w->stop_fd, .events = POLLIN},
                               {.fd = w->fd, .events = POLLIN}};
        pthread_mutex_unlock(&w->lock);
        poll(fds, 2, fds[1].fd < 0 ? RETRY_MS : -1);
        if (poll(fds, 1, GATHER_MS) > 0)
            return NULL;
        queue_look(w);
    }
}

int fs_watch(struct engine *engine, const struct engine_watcher *watcher)
{
    struct fs *fs = container_of(engine, struct fs, engine);
    struct fs_watch *w = calloc(1, sizeof *w);
    if (!w)
        return DISKV_ENOMEM;
    w->fs = fs;
    w->watcher = *watcher;
    w->fd = sys_inotify_init();
    w->stop_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&w->lock, NULL);
    if (w->stop_fd < 0 || pthread_create(&w->thread, NULL, watch_main, w)) {
        pthread_mutex_destroy(&w->lock);
        if (w->stop_fd >= 0)
            close(w->stop_fd);
        if (w->fd >= 0)
            close(w->fd);
        free(w);
        return DISKV_EUNAVAILABLE;
    }
    fs->watch = w;
    return 0;
}

void fs_watching(struct engine *engine, struct engine_watching *out)
{
    struct fs_watch *w = container_of(engine, struct fs, engine)->watch;
    *out = (struct engine_watching){atomic_load(&w->places), atomic_load(&w->refused)};
}

void fs_unwatch(struct engine *engine)
{
    struct fs *fs = container_of(engine, struct fs, engine);
    struct fs_watch *w = fs->watch;
    fs->watch = NULL;
    eventfd_write(w->stop_fd, 1);
    pthread_join(w->thread, NULL);
    watch_map_clear(&w->map);
    if (w->fd >= 0)
        close(w->fd);
    close(w->stop_fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
