/* Runs a fuzz target without libFuzzer, and prints TAP: CORPUS COUNT runs it on every file of the
 * directory CORPUS, then on COUNT inputs made from them by random changes, the same in every run
 * unless DISKV_TEST_SEED asks for others. */
#include "fuzz.h"
#include "random.h"

#include <dirent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_MAX 4096

/* Bytes to run the target on; in memory that outlives a crash of the process that does. */
struct input {
    size_t size;
    uint8_t data[INPUT_MAX];
};

struct corpus {
    size_t count;
    struct input *inputs;
};

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static bool input_read(const char *dir, const char *name, struct input *out)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    out->size = fread(out->data, 1, INPUT_MAX, file);
    bool ok = !ferror(file);
    fclose(file);
    return ok;
}

static struct corpus corpus_read(const char *dir)
{
    struct corpus corpus = {0};
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort);
    if (n <= 2 || !(corpus.inputs = calloc((size_t)n, sizeof *corpus.inputs)))
        die(dir);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' &&
            input_read(dir, entries[i]->d_name, &corpus.inputs[corpus.count]))
            corpus.count++;
        free(entries[i]);
    }
    free(entries);
    return corpus;
}

/* Puts `len` bytes in place of `gone` at `at`, as far as there is room. */
static void splice(struct input *input, size_t at, size_t gone, const uint8_t *bytes, size_t len)
{
    size_t tail = input->size - at - gone;
    if (at + len + tail > INPUT_MAX)
        return;
    memmove(input->data + at + len, input->data + at + gone, tail);
    memcpy(input->data + at, bytes, len);
    input->size = at + len + tail;
}

/* Takes some bytes away, or puts a random one or a part of any input of the corpus in their place.
 */
static void change(struct random *r, const struct corpus *corpus, struct input *input)
{
    const struct input *other = &corpus->inputs[random_below(r, corpus->count)];
    size_t at = random_below(r, input->size + 1), left = input->size - at;
    size_t gone = random_below(r, 2) ? random_below(r, (left < 8 ? left : 8) + 1) : 0;
    size_t from = random_below(r, other->size + 1), len = random_below(r, other->size - from + 1);
    uint8_t byte = (uint8_t)random_next(r);
    switch (random_below(r, 3)) {
    case 0:
        splice(input, at, gone, NULL, 0);
        break;
    case 1:
        splice(input, at, gone, &byte, 1);
        break;
    default:
        splice(input, at, gone, other->data + from, len);
    }
}

static void run_corpus(const struct corpus *corpus, struct input *input)
{
    for (size_t i = 0; i < corpus->count; i++) {
        *input = corpus->inputs[i];
        LLVMFuzzerTestOneInput(input->data, input->size);
    }
}

static void run_changed(const struct corpus *corpus, struct input *input, size_t count)
{
    printf("# "); /* to what comes next on this line */
    struct random r = random_new();
    for (size_t i = 0; i < count; i++) {
        *input = corpus->inputs[random_below(&r, corpus->count)];
        for (size_t changes = 1 + random_below(&r, 8); changes; changes--)
            change(&r, corpus, input);
        LLVMFuzzerTestOneInput(input->data, input->size);
    }
}

/* In a process of its own; after a crash tells the input that caused it. 0 or 1. */
static int run(int number, const char *title, const struct corpus *corpus, size_t count)
{
    struct input *input =
        mmap(NULL, sizeof *input, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (input == MAP_FAILED)
        die("mmap");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (count)
            run_changed(corpus, input, count);
        else
            run_corpus(corpus, input);
        exit(EXIT_SUCCESS);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        die("fork");
    printf("%sok %d - %s\n", status ? "not " : "", number, title);
    if (status) {
        printf("# wait status %d after the input ", status);
        for (size_t i = 0; i < input->size; i++)
            printf("\\x%02X", input->data[i]);
        printf("\n");
    }
    munmap(input, sizeof *input);
    return status != 0;
}

int main(int argc, char **argv)
{
    size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (count == 0) {
        fprintf(stderr, "usage: %s CORPUS COUNT\n", argv[0]);
        return EXIT_FAILURE;
    }
    struct corpus corpus = corpus_read(argv[1]);
    printf("1..2\n");
    int failed = run(1, "every input of the corpus has the right answer", &corpus, 0) +
                 run(2, "so has every random change of one", &corpus, count);
    free(corpus.inputs);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
