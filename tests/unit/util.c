/* What every layer uses: UTF-8, hexadecimal, the order of bytes, growable buffers, worker threads.
 */
#include "util.h"
#include "buf.h"
#include "diskv.h"
#include "serial.h"
#include "workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <cmocka.h>

static void utf8_is_told_from_what_only_looks_like_it(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        bool valid;
    } table[] = {
        {"", true},
        {"plain", true},
        {"\x7F", true},
        {"\xC2\x80", true},
        {"\xDF\xBF", true},
        {"\xE0\xA0\x80", true},
        {"\xED\x9F\xBF", true},
        {"\xEE\x80\x80", true},
        {"\xEF\xBF\xBF", true},
        {"\xF0\x90\x80\x80", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"a\xC3\xA9z", true},
        {"\x80", false}, /* a continuation without its beginning */
        {"\xC3", false}, /* cut off */
        {"\xE2\x82", false},
        {"\xF0\x9F\x98", false},
        {"\xC3(", false},
        {"\xC0\xAF", false}, /* overlong */
        {"\xC1\xBF", false},
        {"\xE0\x9F\xBF", false},
        {"\xF0\x8F\xBF\xBF", false},
        {"\xED\xA0\x80", false}, /* surrogates */
        {"\xED\xBF\xBF", false},
        {"\xF4\x90\x80\x80", false}, /* past U+10FFFF */
        {"\xF5\x80\x80\x80", false},
        {"\xFF", false},
    };
    for (size_t i = 0; i < array_len(table); i++)
        if (utf8_valid(table[i].s, strlen(table[i].s)) != table[i].valid)
            fail_msg("row %zu", i);
}

/* Decodes by RFC 3629's definition: the code point first, then whether it needed that many bytes.
 */
static bool decodes(const unsigned char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = s[i] < 0x80       ? 1
                   : s[i] >> 5 == 6  ? 2
                   : s[i] >> 4 == 14 ? 3
                   : s[i] >> 3 == 30 ? 4
                                     : 0;
        if (n == 0 || i + n > len)
            return false;
        uint32_t c = n == 1 ? s[i] : s[i] & (0x7Fu >> n);
        for (size_t k = 1; k < n; k++) {
            if (s[i + k] >> 6 != 2)
                return false;
            c = c << 6 | (s[i + k] & 0x3F);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
            return false;
        i += n;
    }
    return true;
}

static void utf8_agrees_with_decoding_every_three_bytes_and_every_edge_of_four(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90,
                                          0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (uint32_t i = 0; i < 1u << 24; i++) {
        unsigned char s[] = {(unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i};
        for (size_t len = 1; len <= 3; len++)
            if (utf8_valid((char *)s, len) != decodes(s, len))
                fail_msg("%02x %02x %02x, length %zu", s[0], s[1], s[2], len);
    }
    for (uint32_t i = 0; i < 1u << 16; i++) {
        for (size_t k = 0; k < array_len(edges) * array_len(edges); k++) {
            unsigned char s[] = {(unsigned char)(i >> 8), (unsigned char)i,
                                 edges[k / array_len(edges)], edges[k % array_len(edges)]};
            if (utf8_valid((char *)s, 4) != decodes(s, 4))
                fail_msg("%02x %02x %02x %02x", s[0], s[1], s[2], s[3]);
        }
    }
}

static void hexadecimal_digits_have_values_and_bytes_have_digits(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef", capitals[] = "0123456789ABCDEF";
    for (int c = 0; c < 256; c++) {
        const char *low = c ? strchr(digits, c) : NULL, *high = c ? strchr(capitals, c) : NULL;
        int expected = low ? (int)(low - digits) : high ? (int)(high - capitals) : -1;
        assert_int_equal(hex_value((unsigned char)c), expected);
    }
    char out[9];
    hex_encode((const uint8_t *)"\x00\x09\xAF\xFF", 4, out);
    assert_string_equal(out, "0009afff");
    hex_encode(NULL, 0, out);
    assert_string_equal(out, "");
}

static void a_number_is_written_with_as_many_digits_as_are_asked_for(void **state)
{
    (void)state;
    char out[] = "----------";
    assert_ptr_equal(digits_put(out, 7, 3), out + 3);
    assert_ptr_equal(digits_put(out + 4, 12345, 2), out + 6);
    assert_ptr_equal(digits_put(out + 8, 9, 0), out + 8);
    assert_string_equal(out, "007-45----");
}

static void bytes_are_ordered_as_unsigned_and_a_prefix_comes_first(void **state)
{
    (void)state;
    static const char *const ascending[] = {"",   "\x01", "a",    "a\x01", "aa",
                                            "ab", "b",    "\x80", "\xFF"};
    for (size_t i = 0; i < array_len(ascending); i++) {
        for (size_t k = 0; k < array_len(ascending); k++) {
            int order = bytes_compare(ascending[i], strlen(ascending[i]), ascending[k],
                                      strlen(ascending[k]));
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
    assert_true(bytes_compare("a\0b", 3, "a\0c", 3) < 0);
}

static void a_buffer_grows_by_what_is_added(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(buf_add(&b, NULL, 0), 0);
    assert_string_equal(b.data, "");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf_printf(&b, "%03d", i), 0);
        assert_int_equal(buf_add_str(&b, ","), 0);
        assert_int_equal(buf_add(&b, "\0", 1), 0);
    }
    assert_int_equal(b.len, 5000);
    assert_memory_equal(b.data,
                        "000,\0"
                        "001,",
                        9);
    assert_memory_equal(b.data + 4995, "999,\0", 6);
    char *data = buf_steal(&b);
    assert_int_equal(data[0], '0');
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    assert_null(buf_steal(&b));
    free(data);
    buf_free(&b);
}

static void a_buffer_that_cannot_grow_stays_as_it_was(void **state)
{
    (void)state;
    struct buf b = {0};
    volatile size_t half = SIZE_MAX / 2, nearly_all = SIZE_MAX - 2; /* as the compiler objects */
    assert_int_equal(buf_add_str(&b, "kept"), 0);
    assert_int_equal(buf_add(&b, "x", half), DISKV_ENOMEM);
    assert_int_equal(buf_add(&b, "x", nearly_all), DISKV_ENOMEM);
    assert_string_equal(b.data, "kept");
    assert_int_equal(b.len, 4);
    buf_free(&b);
}

struct task {
    struct job job;
    struct tasks *of;
    int number;
};

struct tasks {
    struct workers *workers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open; /* the gate that the first task waits at */
    size_t taken;
    int niceness;
    atomic_int ran, last;
    atomic_bool out_of_order;
    struct task task[1000];
};

static void task_run(struct job *job)
{
    struct task *t = container_of(job, struct task, job);
    if (atomic_exchange(&t->of->last, t->number) > t->number)
        t->of->out_of_order = true;
    t->of->ran++;
}

static struct tasks *tasks_new(size_t threads)
{
    struct tasks *all = calloc(1, sizeof *all);
    assert_non_null(all);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    assert_int_equal(workers_new(threads, &all->workers), 0);
    for (size_t i = 0; i < array_len(all->task); i++)
        all->task[i] = (struct task){.job.run = task_run, .of = all, .number = (int)i};
    return all;
}

static void tasks_free(struct tasks *all)
{
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

static void workers_run_everything_posted_before_they_end(void **state)
{
    (void)state;
    struct tasks *all = tasks_new(4);
    for (size_t i = 0; i < array_len(all->task); i++)
        workers_post(all->workers, &all->task[i].job);
    workers_free(all->workers);
    assert_int_equal(all->ran, array_len(all->task));
    tasks_free(all);
    workers_free(NULL);
}

static void one_worker_runs_jobs_in_the_order_they_were_posted(void **state)
{
    (void)state;
    struct tasks *all = tasks_new(1);
    for (size_t i = 0; i < array_len(all->task); i++)
        workers_post(all->workers, &all->task[i].job);
    workers_free(all->workers);
    assert_int_equal(all->ran, array_len(all->task));
    assert_false(all->out_of_order);
    tasks_free(all);
}

static void wait_at_gate(struct tasks *all)
{
    pthread_mutex_lock(&all->lock);
    while (!all->open)
        pthread_cond_wait(&all->changed, &all->lock);
    pthread_mutex_unlock(&all->lock);
}

static void open_gate(struct tasks *all)
{
    pthread_mutex_lock(&all->lock);
    all->open = true;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

/* Waits at the gate, then takes ten of the jobs behind it and runs only those. */
static void task_take(struct job *job)
{
    struct tasks *all = container_of(job, struct task, job)->of;
    wait_at_gate(all);
    struct job *jobs[10];
    all->taken = workers_take(all->workers, jobs, array_len(jobs));
    for (size_t i = 0; i < all->taken; i++)
        jobs[i]->run(jobs[i]);
}

static void a_job_may_take_the_next_ones_along_in_their_order(void **state)
{
    (void)state;
    struct tasks *all = tasks_new(1);
    all->task[0].job.run = task_take;
    for (size_t i = 0; i < 16; i++)
        workers_post(all->workers, &all->task[i].job);
    open_gate(all);
    workers_free(all->workers);
    assert_int_equal(all->taken, 10);
    assert_int_equal(all->ran, 15);
    assert_false(all->out_of_order);
    tasks_free(all);
}

static void task_run_behind_gate(struct job *job)
{
    wait_at_gate(container_of(job, struct task, job)->of);
    task_run(job);
}

static void task_open_gate(struct job *job)
{
    open_gate(container_of(job, struct task, job)->of);
}

static void serial_jobs_run_in_order_on_any_number_of_workers(void **state)
{
    (void)state;
    struct tasks *all = tasks_new(4);
    struct serial serial;
    serial_init(&serial);
    for (size_t i = 0; i < array_len(all->task); i++)
        serial_post(&serial, all->workers, &all->task[i].job);
    workers_free(all->workers);
    assert_int_equal(all->ran, array_len(all->task));
    assert_false(all->out_of_order);
    serial_destroy(&serial);
    tasks_free(all);
}

static void serial_jobs_that_wait_leave_the_other_workers_to_others(void **state)
{
    (void)state;
    struct tasks *all = tasks_new(2);
    struct serial serial;
    serial_init(&serial);
    for (size_t i = 0; i < 10; i++) {
        all->task[i].job.run = task_run_behind_gate;
        serial_post(&serial, all->workers, &all->task[i].job);
    }
    all->task[10].job.run = task_open_gate;
    workers_post(all->workers, &all->task[10].job);
    workers_free(all->workers);
    assert_int_equal(all->ran, 10);
    serial_destroy(&serial);
    tasks_free(all);
}

static void task_wait(struct job *job)
{
    wait_at_gate(container_of(job, struct task, job)->of);
}

static void task_open(struct job *job)
{
    open_gate(container_of(job, struct task, job)->of);
}

static void a_job_that_waits_does_not_hold_up_the_other_threads(void **state)
{
    (void)state;
    struct tasks *all = tasks_new(2);
    all->task[0].job.run = task_wait;
    all->task[1].job.run = task_open;
    workers_post(all->workers, &all->task[0].job);
    workers_post(all->workers, &all->task[1].job);
    workers_free(all->workers);
    assert_true(all->open);
    tasks_free(all);
}

static void task_look_at_niceness(struct job *job)
{
    container_of(job, struct task, job)->of->niceness = getpriority(PRIO_PROCESS, 0);
}

static void workers_give_way_to_the_thread_that_made_them(void **state)
{
    (void)state;
    int own = getpriority(PRIO_PROCESS, 0);
    struct tasks *all = tasks_new(1);
    all->task[0].job.run = task_look_at_niceness;
    workers_post(all->workers, &all->task[0].job);
    workers_free(all->workers);
    assert_int_equal(all->niceness, own + 5 < 19 ? own + 5 : 19);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
    tasks_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_told_from_what_only_looks_like_it),
        cmocka_unit_test(utf8_agrees_with_decoding_every_three_bytes_and_every_edge_of_four),
        cmocka_unit_test(hexadecimal_digits_have_values_and_bytes_have_digits),
        cmocka_unit_test(a_number_is_written_with_as_many_digits_as_are_asked_for),
        cmocka_unit_test(bytes_are_ordered_as_unsigned_and_a_prefix_comes_first),
        cmocka_unit_test(a_buffer_grows_by_what_is_added),
        cmocka_unit_test(a_buffer_that_cannot_grow_stays_as_it_was),
        cmocka_unit_test(workers_run_everything_posted_before_they_end),
        cmocka_unit_test(one_worker_runs_jobs_in_the_order_they_were_posted),
        cmocka_unit_test(a_job_may_take_the_next_ones_along_in_their_order),
        cmocka_unit_test(serial_jobs_run_in_order_on_any_number_of_workers),
        cmocka_unit_test(serial_jobs_that_wait_leave_the_other_workers_to_others),
        cmocka_unit_test(a_job_that_waits_does_not_hold_up_the_other_threads),
        cmocka_unit_test(workers_give_way_to_the_thread_that_made_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
