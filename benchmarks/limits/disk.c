// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// What the disk under a directory needs at least to keep what was written to it, without a broker:
//
//   disk append BYTES SECONDS DIRECTORY          appends BYTES to a file and syncs it, again and again. With BYTES of
//                                                some hundred: the least that one acknowledged record takes. With
//                                                1 MiB: the rate at which the disk takes data that has to stay.
//   disk rewrite BYTES SECONDS DIRECTORY         the same into a file that was written before, as journals do: the
//                                                sync has no new length to write down
//   disk files FILES BYTES BATCHES SECONDS DIRECTORY
//                                                rounds that append BYTES to BATCHES of FILES files and then sync each
//                                                of them: what a log for each partition costs without a journal. In
//                                                turn if all of them have one in each round, else by chance.
//
// Syncs are fdatasync. Prints one line of figures: of `append` and `rewrite` the latency is that of one write and its
// sync, of `files` that of one round. The files are removed again.

#include "latency.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const int64_t file_bytes_max = 1LL << 30; // then a file is begun again, as segments are

static int open_in(const char *directory, long long number)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/disk-%lld.bin", directory, number) >= (int)sizeof path) fail("DIRECTORY: too long");
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) fail("%s: %s", path, strerror(errno));
    // Gone when this process is, however it ends.
    unlink(path);
    return file;
}

static void write_at(int file, const uint8_t *bytes, size_t count, off_t position)
{
    while (count > 0) {
        ssize_t written = pwrite(file, bytes, count, position);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) fail("write to the file: %s", strerror(errno));
        bytes += written;
        count -= (size_t)written;
        position += written;
    }
}

static void sync_file(int file)
{
    if (fdatasync(file)) fail("fdatasync: %s", strerror(errno));
}

static uint8_t *payload(size_t count)
{
    uint8_t *bytes = malloc(count);
    if (!bytes) fail("out of memory");
    fill_random(bytes, count);
    return bytes;
}

static void report(const char *what, long long bytes, int64_t start, const struct latency *latency)
{
    double wall = (double)(monotonic_ns() - start) / 1e9;
    printf("%s bytes=%lld wall_s=%.3f gb_per_s=%.4f ", what, bytes, wall, (double)bytes / 1e9 / wall);
    latency_print(latency);
    putchar('\n');
}

static void write_one(const char *what, size_t count, long long seconds, const char *directory, int is_rewrite)
{
    static struct latency latency;
    uint8_t *bytes = payload(count);
    int file = open_in(directory, 0);
    off_t size = is_rewrite ? 64 << 20 : file_bytes_max, position = 0;
    if (is_rewrite) {
        uint8_t *filler = payload(1 << 20);
        for (off_t done = 0; done < size; done += 1 << 20) write_at(file, filler, 1 << 20, done);
        free(filler);
    }
    sync_file(file);
    long long done = 0;
    int64_t start = monotonic_ns(), end = start + seconds * 1000000000;
    for (int64_t began = start; began < end;) {
        if (position + (off_t)count > size) {
            position = 0;
            if (!is_rewrite && ftruncate(file, 0)) fail("ftruncate: %s", strerror(errno));
        }
        write_at(file, bytes, count, position);
        sync_file(file);
        int64_t now = monotonic_ns();
        latency_add(&latency, now - began);
        began = now;
        position += (off_t)count;
        done += (long long)count;
    }
    report(what, done, start, &latency);
}

static void write_files(long long files, size_t count, long long batches, long long seconds, const char *directory)
{
    static struct latency latency;
    struct rlimit limit;
    if (files > 100000 || batches > 10000000) fail("FILES: at most 100000, BATCHES: at most 10000000");
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max < (rlim_t)files + 16) fail("FILES: the system allows less");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit)) fail("setrlimit: %s", strerror(errno));
    uint8_t *bytes = payload(count), *is_dirty = calloc((size_t)files, 1);
    int *descriptors = calloc((size_t)files, sizeof *descriptors);
    off_t *positions = calloc((size_t)files, sizeof *positions);
    if (!descriptors || !positions || !is_dirty) fail("out of memory");
    for (long long i = 0; i < files; i++) sync_file(descriptors[i] = open_in(directory, i));
    uint64_t random = 0x9e3779b97f4a7c15ULL;
    long long done = 0, synced = 0;
    int64_t start = monotonic_ns(), end = start + seconds * 1000000000;
    for (int64_t began = start; began < end;) {
        for (long long i = 0; i < batches; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            size_t file = (size_t)(batches % files == 0 ? (unsigned long long)(i % files) : random % (uint64_t)files);
            write_at(descriptors[file], bytes, count, positions[file]);
            positions[file] += (off_t)count;
            is_dirty[file] = 1;
        }
        for (long long i = 0; i < files; i++) {
            if (!is_dirty[i]) continue;
            sync_file(descriptors[i]);
            is_dirty[i] = 0;
            synced++;
        }
        int64_t now = monotonic_ns();
        latency_add(&latency, now - began);
        began = now;
        done += batches * (long long)count;
    }
    // Not counted: given back here, so that the next measurement does not wait for it.
    double rounds = (double)latency.count;
    report("files", done, start, &latency);
    fprintf(stderr, "%.1f files synced a round\n", (double)synced / rounds);
    for (long long i = 0; i < files; i++) close(descriptors[i]);
}

int main(int count, char **arguments)
{
    const char *command = count > 1 ? arguments[1] : "";
    if ((!strcmp(command, "append") || !strcmp(command, "rewrite")) && count == 5) {
        size_t bytes = (size_t)positive(arguments[2], "BYTES");
        if (bytes > 16 << 20) fail("BYTES: at most 16 MiB");
        write_one(command, bytes, positive(arguments[3], "SECONDS"), arguments[4], !strcmp(command, "rewrite"));
    } else if (!strcmp(command, "files") && count == 7) {
        size_t bytes = (size_t)positive(arguments[3], "BYTES");
        if (bytes > 16 << 20) fail("BYTES: at most 16 MiB");
        write_files(positive(arguments[2], "FILES"), bytes, positive(arguments[4], "BATCHES"),
                    positive(arguments[5], "SECONDS"), arguments[6]);
    } else {
        fail("usage: disk append|rewrite|files …, see the head of disk.c");
    }
    return 0;
}
