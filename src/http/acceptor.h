/* The thread that accepts connections, hands them to the loops in turn and, each second, has those
 * cut that missed their deadline. */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

struct acceptor;
struct http_server;

/* Starts the thread over the server's listeners and loops; ENOMEM, EUNAVAILABLE. */
int acceptor_start(struct http_server *server, struct acceptor **out);

/* Ends the thread: nothing is accepted any more. NULL is fine. */
void acceptor_stop(struct acceptor *acceptor);

#endif
