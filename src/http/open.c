#include "open.h"
#include "context.h"
#include "replay.h"

int opening_go_on(struct request *r, struct opening *o, enum diskv_read how)
{
    diskv *store = r->server->store;
    int rc;

    if (o->waited)
        return r->rc;
    o->reader = replay_take(r);
    if (o->reader != NULL)
        return 0;
    rc = diskv_reader_open_now(store, r->key, r->key_len, how, &o->reader);
    if (rc != DISKV_EAGAIN)
        return rc;
    if (!request_wait(r))
        return DISKV_EUNAVAILABLE;
    o->waited = true;
    diskv_reader_open(store, r->key, r->key_len, how, &o->reader, request_done, r);
    return DISKV_EAGAIN;
}

void opening_reset(struct opening *o)
{
    diskv_reader_close(o->reader);
    *o = (struct opening){0};
}
