#include "serve.h"

#include "log.h"
#include "options.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Every connection and every value being read takes a descriptor: use all that the system grants.
 */
static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void ready_print(const struct http_server *server, const char *dir)
{
    printf("diskv: serving %s on ", dir);
    const char *url;
    for (size_t i = 0; (url = http_server_url(server, i)); i++)
        printf("%s%s", i ? ", " : "", url);
    printf("\n");
    fflush(stdout);
}

/* The second signal ends the process at once. */
static void *second_signal_main(void *arg)
{
    int sig;
    sigwait(arg, &sig);
    _exit(128 + sig);
}

static void rescan_done(void *ctx, int rc)
{
    (void)ctx;
    if (rc)
        log_error("cannot bring the index in step with the files: %s", diskv_strerror(rc));
    else
        log_info("every directory was read");
}

/* Waits for a signal to stop; SIGHUP asks for a rescan. */
static void stop_wait(diskv *store, sigset_t *stop_signals)
{
    int sig;
    sigset_t signals = *stop_signals;
    sigaddset(&signals, SIGHUP);
    while (sigwait(&signals, &sig) == 0 && sig == SIGHUP)
        diskv_rescan(store, rescan_done, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, second_signal_main, stop_signals) == 0)
        pthread_detach(thread);
}

static int serve_run(const struct serve_options *options, sigset_t *stop_signals)
{
    diskv *store;
    int rc = diskv_open(options->dir, &options->store, &store);
    if (rc) {
        log_error("cannot serve %s: %s", options->dir, diskv_strerror(rc));
        return 1;
    }
    struct http_server *server;
    rc = http_server_start(store, &options->http, &server);
    if (rc) {
        diskv_close(store);
        return 1;
    }
    ready_print(server, options->dir);
    stop_wait(store, stop_signals);
    size_t cut = http_server_drain(server, options->drain_seconds);
    if (cut)
        log_warning("%zu requests were cut off after %u s", cut, options->drain_seconds);
    http_server_free(server);
    diskv_close(store);
    return 0;
}

int serve_command(int argc, char **argv)
{
    struct serve_options options;
    enum parsed parsed = serve_options_parse(argc, argv, &options);
    int status = 2;
    if (parsed == PARSED_HELP) {
        serve_options_help();
        status = 0;
    } else if (parsed == PARSED_RUN) {
        /* Static: the thread that waits for the second signal outlives this function. */
        static sigset_t stop_signals;
        sigemptyset(&stop_signals);
        sigaddset(&stop_signals, SIGTERM);
        sigaddset(&stop_signals, SIGINT);
        sigset_t signals = stop_signals;
        sigaddset(&signals, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        descriptors_raise();
        status = serve_run(&options, &stop_signals);
    }
    serve_options_free(&options);
    return status;
}
