/* One socket that accepts connections. */
#ifndef LISTENER_H
#define LISTENER_H

struct listener {
    int fd;
    char *url;  /* "http://127.0.0.1:8080" or "unix:/path" */
    char *path; /* of a unix socket, NULL for TCP: removed at close */
};

/* Listens on "HOST:PORT", "[ADDRESS]:PORT" or "unix:PATH". A unix socket on which nobody listens
 * any more is replaced. What a loopback address accepts is not paced, whatever the system does with
 * other connections. What fails is logged: EINVAL for what cannot be parsed or resolved,
 * EUNAVAILABLE for what cannot be listened on, ENOMEM. */
int listener_open(const char *address, struct listener *out);

/* Closes it, and removes a unix socket; the URL stays until listener_free. */
void listener_close(struct listener *listener);
void listener_free(struct listener *listener);

#endif
