#include "validate.h"

#include <arpa/inet.h>
#include <strings.h>

#include "util.h"

#define METHOD_MAX 32

/* libmicrohttpd writes a NUL over each byte of a line end: CR LF leaves two. */
#define LINE_END 2

enum { TOKEN = 1, HOST = 2, TARGET = 4 };

/* Where each punctuation mark may stand (RFC 9110 §5.6.2, RFC 3986). A target may also hold the
 * marks that browsers send unescaped (the URL standard of the WHATWG). */
static const uint8_t punctuation[256] = {
    ['!'] = TOKEN | HOST | TARGET,
    ['#'] = TOKEN,
    ['$'] = TOKEN | HOST | TARGET,
    ['%'] = TOKEN | HOST | TARGET,
    ['&'] = TOKEN | HOST | TARGET,
    ['\''] = TOKEN | HOST | TARGET,
    ['('] = HOST | TARGET,
    [')'] = HOST | TARGET,
    ['*'] = TOKEN | HOST | TARGET,
    ['+'] = TOKEN | HOST | TARGET,
    [','] = HOST | TARGET,
    ['-'] = TOKEN | HOST | TARGET,
    ['.'] = TOKEN | HOST | TARGET,
    ['/'] = TARGET,
    [':'] = TARGET,
    [';'] = HOST | TARGET,
    ['='] = HOST | TARGET,
    ['?'] = TARGET,
    ['@'] = TARGET,
    ['['] = TARGET,
    ['\\'] = TARGET,
    [']'] = TARGET,
    ['^'] = TOKEN | TARGET,
    ['_'] = TOKEN | HOST | TARGET,
    ['`'] = TOKEN | TARGET,
    ['{'] = TARGET,
    ['|'] = TOKEN | TARGET,
    ['}'] = TARGET,
    ['~'] = TOKEN | HOST | TARGET,
};

/* A header field that may come once. */
struct field {
    const char *value;
    size_t len;
    unsigned count;
};

struct headers {
    const char *next;  /* where the next name must begin */
    const char *fault; /* why the walk stopped, NULL if it did not */
    uint64_t names;
    size_t size;
    struct field host, length, coding, expect;
};

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool consists_of(const char *s, size_t len, unsigned where)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        unsigned char letter = (c | 0x20) - 'a';
        if (letter >= 26 && !is_digit(c) && !(punctuation[c] & where))
            return false;
    }
    return true;
}

/* True when no byte is a control character, tabs aside. Without an early end, so that the compiler
 * can check many bytes at a time. */
static bool is_field_value(const char *s, size_t len)
{
    unsigned bad = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        bad |= (unsigned)(c < ' ') & (unsigned)(c != '\t');
        bad |= (unsigned)(c == 0x7f);
    }
    return !bad;
}

bool validate_target(const char *target, size_t len)
{
    return consists_of(target, len, TARGET);
}

bool validate_field(const char *name, size_t name_len, const char *value, size_t value_len)
{
    return name_len > 0 && consists_of(name, name_len, TOKEN) && is_field_value(value, value_len);
}

static bool equals(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(s, word, len) == 0;
}

/* The field to keep `name` in, NULL where it has no say in framing. */
static struct field *field_of(struct headers *h, const char *name, size_t len)
{
    switch (len) {
    case 4:
        return equals(name, len, "Host") ? &h->host : NULL;
    case 6:
        return equals(name, len, "Expect") ? &h->expect : NULL;
    case 14:
        return equals(name, len, "Content-Length") ? &h->length : NULL;
    case 17:
        return equals(name, len, "Transfer-Encoding") ? &h->coding : NULL;
    default:
        return NULL;
    }
}

/* Keeps the first of a name; what comes again is counted. libmicrohttpd drops blanks before a
 * value, but not after it. */
static void keep(struct field *f, const char *value, size_t len)
{
    if (f->count++ > 0)
        return;
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    f->value = value;
    f->len = len;
}

/* libmicrohttpd parses in place: between one value and the next name lies the line end and nothing
 * else, unless it dropped, cut or moved something. */
static enum MHD_Result check_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    struct headers *h = cls;
    if (name != h->next)
        h->fault = "A header line does not end in CR LF, is folded, or holds a NUL.";
    else if (name_len == 0 || !consists_of(name, name_len, TOKEN))
        h->fault = "A header's name is empty or holds a byte that no name may hold.";
    else if (!is_field_value(value, value_len))
        h->fault = "A header's value holds a control character.";
    if (h->fault)
        return MHD_NO;
    struct field *f = field_of(h, name, name_len);
    if (f)
        keep(f, value, value_len);
    h->names |= validate_name_bit(name, name_len);
    h->next = value + value_len + LINE_END;
    return MHD_YES;
}

/* Walks all header lines. Returns NULL, or what is wrong. */
static const char *check_headers(struct MHD_Connection *connection, const char *method,
                                 const char *version, struct headers *h)
{
    *h = (struct headers){.next = version + strlen(version) + LINE_END};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, check_header, h);
    if (h->fault)
        return h->fault;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!info || h->next + LINE_END != method + info->header_size)
        return "The header does not end in an empty line, or a line of it does not end in CR LF.";
    h->size = info->header_size;
    return NULL;
}

/* RFC 3986 §3.2.2, without the address forms of the future. */
static bool is_ip_literal(const char *s, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (len < 2 || s[0] != '[' || s[len - 1] != ']' || len - 2 >= sizeof(text))
        return false;
    memcpy(text, s + 1, len - 2);
    text[len - 2] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_reg_name(const char *s, size_t len)
{
    if (len == 0 || !consists_of(s, len, HOST))
        return false;
    for (const char *p = s; (p = memchr(p, '%', len - (size_t)(p - s))); p += 3)
        if (len - (size_t)(p - s) < 3 || hex_value((unsigned char)p[1]) < 0 ||
            hex_value((unsigned char)p[2]) < 0)
            return false;
    return true;
}

/* host [":" port] with a host that is not empty, as http URIs demand (RFC 9110 §4.2.1). */
static bool is_authority(const char *s, size_t len)
{
    size_t host = len;
    while (host > 0 && is_digit((unsigned char)s[host - 1]))
        host--;
    host = host > 0 && s[host - 1] == ':' ? host - 1 : len;
    return is_ip_literal(s, host) || is_reg_name(s, host);
}

/* The path and query of an absolute-form target, NULL where it is not one (RFC 9112 §3.2.2). */
static const char *skip_origin(const char *target, const char *method)
{
    if (strncasecmp(target, "http://", 7) == 0)
        target += 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        target += 8;
    else
        return NULL;
    size_t len = strcspn(target, "/?");
    if (!is_authority(target, len))
        return NULL;
    if (target[len] == '\0')
        return strcmp(method, "OPTIONS") == 0 ? "*" : "/";
    return target[len] == '/' ? target + len : NULL;
}

static const char *check_target(const char *method, const char *raw_url, size_t len,
                                const char **target)
{
    if (!consists_of(raw_url, len, TARGET))
        return "The request target holds a byte that no URI may hold.";
    bool whole = raw_url[0] == '/' || (strcmp(raw_url, "*") == 0 && strcmp(method, "OPTIONS") == 0);
    *target = whole ? raw_url : skip_origin(raw_url, method);
    return *target ? NULL : "The request target is neither a path nor an http URL.";
}

static const char *check_request_line(const char *url, const char *method, const char *version,
                                      const char *raw_url, const char **target)
{
    size_t method_len = strlen(method), url_len = strlen(raw_url);
    if (method_len == 0 || method_len > METHOD_MAX || !consists_of(method, method_len, TOKEN))
        return "The method is not a token of at most 32 bytes.";
    if (url != method + method_len + 1 || version != url + url_len + 1)
        return "The request line is not a method, a target and a version, one space between each.";
    return check_target(method, raw_url, url_len, target);
}

static bool parse_length(const struct field *f, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < f->len; i++) {
        unsigned char c = (unsigned char)f->value[i];
        if (!is_digit(c) || *out > (INT64_MAX - (uint64_t)(c - '0')) / 10)
            return false;
        *out = *out * 10 + (uint64_t)(c - '0');
    }
    return f->len > 0;
}

/* Whether more follows chunked, so that nobody can tell where the body ends (RFC 9112 §6.3). */
static bool is_chunked_early(const struct field *f)
{
    size_t len = strlen("chunked");
    if (f->count == 0 || f->len < len || strncasecmp(f->value, "chunked", len) != 0)
        return false;
    return f->len == len ? f->count > 1 : memchr(" \t,;", f->value[len], 4) != NULL;
}

/* RFC 9112 §3.2 (Host) and §6 (the length of the body). */
static const char *check_fields(const struct headers *h, bool http_1_1, struct framing *out)
{
    if (h->host.count > 1 || (http_1_1 && h->host.count == 0))
        return "There must be one Host header.";
    if (h->host.count && !is_authority(h->host.value, h->host.len))
        return "The Host header is not a host with an optional port.";
    if (h->coding.count && h->length.count)
        return "Content-Length and Transfer-Encoding exclude one another.";
    if (h->coding.count && !http_1_1)
        return "HTTP/1.0 has no Transfer-Encoding.";
    if (is_chunked_early(&h->coding))
        return "The last transfer coding must be chunked, once and without parameters.";
    if (h->length.count > 1)
        return "There may be one Content-Length header.";
    if (h->length.count && !parse_length(&h->length, &out->length))
        return "Content-Length is not a number below 2^63.";
    return NULL;
}

static unsigned refuse(unsigned status, const char *sentence, const char **detail)
{
    *detail = sentence;
    return status;
}

unsigned validate_request(struct MHD_Connection *connection, const char *url, const char *method,
                          const char *version, const char *raw_url, struct framing *out,
                          const char **detail)
{
    struct headers h;
    bool http_1_1 = strcmp(version, "HTTP/1.1") == 0;
    *out = (struct framing){0};
    const char *fault = check_request_line(url, method, version, raw_url, &out->target);
    if (fault)
        return refuse(MHD_HTTP_BAD_REQUEST, fault, detail);
    if (!http_1_1 && strcmp(version, "HTTP/1.0") != 0)
        return refuse(MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, "Speak HTTP/1.1 or 1.0.", detail);
    fault = check_headers(connection, method, version, &h);
    if (!fault)
        fault = check_fields(&h, http_1_1, out);
    if (fault)
        return refuse(MHD_HTTP_BAD_REQUEST, fault, detail);
    /* libmicrohttpd compares the whole value, so that a blank behind it would leave it waiting. */
    out->chunked = h.coding.count == 1 && strcasecmp(h.coding.value, "chunked") == 0;
    if (h.coding.count && !out->chunked)
        return refuse(MHD_HTTP_NOT_IMPLEMENTED, "The only transfer coding is chunked.", detail);
    bool expects_continue = equals(h.expect.value, h.expect.len, "100-continue");
    if (h.expect.count && (h.expect.count > 1 || !expects_continue))
        return refuse(MHD_HTTP_EXPECTATION_FAILED, "The only expectation is 100-continue.", detail);
    out->expect = http_1_1 && h.expect.count;
    out->has_body = out->chunked || out->length > 0;
    out->names = h.names;
    out->header_size = h.size;
    return 0;
}
