#include "layout.h"

#include "name.h"

/* Bytes of a component that every file system takes. */
#define COMPONENT_MAX 255

static bool is_name(const char *s, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(s, name, len) == 0;
}

/* True for a relative path without components that mean something else, outside `.diskv`. */
static bool path_clean(const char *path)
{
    for (const char *s = path;; s++) {
        size_t len = strcspn(s, "/");
        if (len == 0 || len > COMPONENT_MAX || is_name(s, len, ".") || is_name(s, len, "..") ||
            is_name(s, len, LAYOUT_VALUE_NAME) || (s == path && is_name(s, len, LAYOUT_STORE_DIR)))
            return false;
        s += len;
        if (!*s)
            return true;
    }
}

/* The user's path of a key, if it is a clean one. */
static int path_ask(const struct layout *layout, const char *key, size_t len, char *path)
{
    const size_t size = LAYOUT_PATH_SIZE - strlen("/" LAYOUT_VALUE_NAME);
    *path = '\0';
    int rc = layout->user_to_path(layout->user_ctx, key, len, path, size);
    return rc || !memchr(path, '\0', size) || !path_clean(path) ? DISKV_EINVAL : 0;
}

/* The user's key of a path, if it is valid. */
static int key_ask(const struct layout *layout, const char *path, char *key, size_t *len)
{
    *len = 0;
    int rc = layout->user_to_key(layout->user_ctx, path, key, DISKV_KEY_MAX, len);
    if (rc || *len > DISKV_KEY_MAX || !diskv_key_valid(key, *len))
        return DISKV_ENOTFOUND;
    key[*len] = '\0';
    return 0;
}

static int user_to_path(const struct layout *layout, const char *key, size_t len, char *path)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    char back[DISKV_KEY_MAX + 1];
    size_t back_len;
    int rc = path_ask(layout, key, len, path);
    if (!rc &&
        (key_ask(layout, path, back, &back_len) || back_len != len || memcmp(back, key, len) != 0))
        rc = DISKV_EINVAL;
    return rc;
}

static int user_to_key(const struct layout *layout, const char *path, char *key, size_t *len)
{
    char own[LAYOUT_PATH_SIZE], back[LAYOUT_PATH_SIZE];
    size_t path_len = name_without_value(path);
    if (path_len >= sizeof own)
        return DISKV_ENOTFOUND;
    memcpy(own, path, path_len);
    own[path_len] = '\0';
    if (!path_clean(own) || key_ask(layout, own, key, len) || path_ask(layout, key, *len, back) ||
        strcmp(own, back) != 0)
        return DISKV_ENOTFOUND;
    return 0;
}

/* What the functions do is not known, so a directory is any key's. */
static bool user_has_dir(const struct layout *layout, const char *dir)
{
    (void)layout;
    return !*dir || path_clean(dir);
}

int layout_user(const char *name, diskv_to_path *to_path, diskv_to_key *to_key, void *ctx,
                struct layout *out)
{
    if (!to_path || !to_key)
        return DISKV_EINVAL;
    *out = (struct layout){
        .user_to_path = to_path,
        .user_to_key = to_key,
        .user_ctx = ctx,
        .to_path = user_to_path,
        .to_key = user_to_key,
        .has_dir = user_has_dir,
    };
    int n = snprintf(out->name, sizeof out->name, "user:%s", name ? name : "");
    return n > 0 && (size_t)n < sizeof out->name ? 0 : DISKV_EINVAL;
}
