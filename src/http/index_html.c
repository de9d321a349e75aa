#include "index_html.h"
#include "html.h"
#include "util.h"
#include <string.h>

/* Programs read these pages line by line, for `<title>Index of /` and `<a href="`. */

static const char meta[] = "<!DOCTYPE html>\n"
                           "<html lang=\"en\">\n"
                           "<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width\">\n";

static const char style[] =
    "<style>\n"
    ":root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif;\n"
    "  --muted: color-mix(in srgb, CanvasText 65%, Canvas);\n"
    "  --line: color-mix(in srgb, CanvasText 12%, Canvas);\n"
    "  --hover: color-mix(in srgb, CanvasText 4%, Canvas) }\n"
    "body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }\n"
    "h1 { margin: 0 .5rem 1rem; font-size: 1.3rem; overflow-wrap: anywhere }\n"
    "table { width: 100%; border-collapse: collapse }\n"
    "tr { border-bottom: 1px solid var(--line) }\n"
    "tr:has(td):hover { background: var(--hover) }\n"
    "th, td { padding: .3rem .5rem; text-align: left; white-space: nowrap;\n"
    "  vertical-align: baseline }\n"
    "th { font-weight: normal }\n"
    "th, td + td { color: var(--muted); font-variant-numeric: tabular-nums }\n"
    "td:first-child { width: 100%; white-space: pre-wrap; overflow-wrap: anywhere }\n"
    "td:nth-child(2), th:nth-child(2) { text-align: right }\n"
    ".folder { font-weight: 600 }\n"
    "a { color: light-dark(#3457d5, #8ea8ff); text-decoration: none }\n"
    "a:hover { text-decoration: underline }\n"
    "p { margin: 1rem .5rem }\n"
    "@media (max-width: 36rem) {\n"
    "  body { margin: 1rem auto }\n"
    "  tr { display: flex; flex-wrap: wrap; padding: .5rem 0 }\n"
    "  th, td { padding: 0 .5rem }\n"
    "  td + td { font-size: .85em }\n"
    "}\n"
    "</style>\n";

static int print_title(struct buf *out, const char *element, const char *prefix, size_t len)
{
    int rc = buf_printf(out, "<%s>Index of /keys/", element);

    if (rc == 0)
        rc = html_text(out, prefix, len);
    return rc == 0 ? buf_printf(out, "</%s>\n", element) : rc;
}

int index_html_head(struct buf *out, const char *prefix, size_t len, const char *query)
{
    int rc = buf_add_str(out, meta);

    if (rc == 0)
        rc = print_title(out, "title", prefix, len);
    if (rc == 0)
        rc = buf_add_str(out, style);
    if (rc == 0)
        rc = print_title(out, "h1", prefix, len);
    if (rc == 0)
        rc = buf_add_str(out,
                         "<table>\n<tr><th>Name</th><th>Size</th><th>Modified (UTC)</th></tr>\n");
    if (rc == 0 && len > 0)
        rc = buf_printf(out, "<tr><td class=\"folder\"><a href=\"../%s\">../</a></td></tr>\n",
                        query);
    return rc;
}

/* A URL's segment of dots is taken away by whoever resolves it, escaped or not. */
static bool is_dots(const char *name, size_t len)
{
    if (len > 0 && name[len - 1] == '/')
        len--;
    return (len == 1 || len == 2) && memcmp(name, "..", len) == 0;
}

static int print_link(struct buf *out, const char *name, size_t len, const char *query)
{
    int rc;

    if (is_dots(name, len))
        return html_text(out, name, len);
    rc = buf_add_str(out, "<a href=\"");
    if (rc == 0 && (len == 0 || name[0] == '/'))
        rc = buf_add_str(out, "./"); /* not the page itself, nor the server's root */
    if (rc == 0)
        rc = html_url(out, name, len);
    if (rc == 0)
        rc = buf_printf(out, "%s\">", query);
    if (rc == 0)
        rc = len > 0 ? html_text(out, name, len) : buf_add_str(out, "./");
    return rc == 0 ? buf_add_str(out, "</a>") : rc;
}

static int print_size(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    if (bytes == DISKV_SIZE_UNKNOWN)
        return 0;
    for (; value >= 1023.95; value /= 1024)
        unit++;
    return buf_printf(out, "%.*f %s", unit == 0 || value >= 99.95 ? 0 : 1, value, units[unit]);
}

static int print_info(struct buf *out, const struct diskv_info *info)
{
    char time[32] = "";
    struct tm tm;
    int rc = buf_add_str(out, "</td><td>");

    if (rc == 0)
        rc = print_size(out, info->size);
    if (gmtime_r(&info->modified.tv_sec, &tm) != NULL)
        strftime(time, sizeof(time), "%Y-%m-%d %H:%M", &tm);
    return rc == 0 ? buf_printf(out, "</td><td>%s", time) : rc;
}

int index_html_entry(struct buf *out, const struct diskv_item *item, size_t prefix_len,
                     const char *query)
{
    int rc = buf_add_str(out, item->is_prefix ? "<tr><td class=\"folder\">" : "<tr><td>");

    if (rc == 0)
        rc = print_link(out, item->name + prefix_len, item->len - prefix_len,
                        item->is_prefix ? query : "");
    if (rc == 0 && !item->is_prefix)
        rc = print_info(out, &item->info);
    return rc == 0 ? buf_add_str(out, "</td></tr>\n") : rc;
}

int index_html_foot(struct buf *out, const char *next)
{
    int rc = buf_add_str(out, "</table>\n");

    if (rc == 0 && next != NULL)
        rc = buf_printf(out, "<p><a href=\"%s\" rel=\"next\">Next page</a></p>\n", next);
    return rc == 0 ? buf_add_str(out, "</html>\n") : rc;
}
