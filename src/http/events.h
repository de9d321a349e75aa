/* GET /events: those who follow the store's changes, each over a connection that waits, suspended,
 * until there is something to tell it. */
#ifndef EVENTS_H
#define EVENTS_H

struct events;
struct http_server;

/* Starts the thread that tells; ENOMEM, EUNAVAILABLE. Followers of `server` use it from then on. */
int events_start(struct http_server *server, struct events **out);

/* Ends all that is followed, and the thread; nothing is followed any more. */
void events_stop(struct events *events);

/* After the last of the server's connections has ended; stops it too. NULL is fine. */
void events_free(struct events *events);

#endif
