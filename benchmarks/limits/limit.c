// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// What this machine needs at least for what a broker does with records, one thread and no protocol:
//
//   limit receive FRAME_BYTES TOTAL_BYTES FILE   reads frames from a loopback connection, takes the CRC-32C of each
//                                                and appends it to FILE: a Produce request, batch by batch
//   limit send FRAME_BYTES TOTAL_BYTES FILE      makes FILE, then sends it over a loopback connection by sendfile, a
//                                                frame a call: a Fetch response, chunk by chunk
//
// Prints one line of figures: CPU seconds (user and system) of the serving process alone, for each GB (10^9 bytes).
// The other end is a process of its own, and does nothing else.

#include "io.h"

#include <fcntl.h>
#include <isa-l/crc.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

struct usage {
    double user, system, wall;
};

static struct usage usage_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct usage){seconds(usage.ru_utime), seconds(usage.ru_stime), (double)monotonic_ns() / 1e9};
}

static void report(const char *what, size_t frame, long long total, struct usage from)
{
    struct usage to = usage_now();
    double user = to.user - from.user, system = to.system - from.system, wall = to.wall - from.wall;
    double gigabytes = (double)total / 1e9;
    printf("%s frame_bytes=%zu bytes=%lld ", what, frame, total);
    printf("user_s=%.3f system_s=%.3f wall_s=%.3f ", user, system, wall);
    printf("cpu_s_per_gb=%.3f gb_per_s=%.3f\n", (user + system) / gigabytes, gigabytes / wall);
}

// Two ends of a loopback TCP connection: the serving process gets the accepted one, as a broker does.
static pid_t connect_child(int *descriptor)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        fail("listen on the loopback interface: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) fail("fork: %s", strerror(errno));
    int one = 1;
    if (child == 0) {
        close(listener);
        *descriptor = socket(AF_INET, SOCK_STREAM, 0);
        if (*descriptor < 0 || connect(*descriptor, (struct sockaddr *)&address, sizeof address))
            fail("connect: %s", strerror(errno));
    } else {
        *descriptor = accept(listener, NULL, NULL);
        if (*descriptor < 0) fail("accept: %s", strerror(errno));
        close(listener);
    }
    setsockopt(*descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return child;
}

static void await(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status)) fail("the peer failed");
}

static int open_file(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0) fail("%s: %s", path, strerror(errno));
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

static void receive_frames(size_t frame, long long total, const char *path)
{
    uint8_t *buffer = malloc(frame);
    if (!buffer) fail("out of memory");
    fill_random(buffer, frame);
    int peer;
    pid_t child = connect_child(&peer);
    if (child == 0) {
        for (long long sent = 0; sent < total; sent += (long long)frame)
            send_all(peer, &(struct iovec){buffer, frame}, 1);
        _exit(0);
    }
    int file = open_file(path);
    uint32_t expected = crc32_iscsi(buffer, (int)frame, 0xffffffff);
    struct usage start = usage_now();
    long long done = 0;
    while (receive_all(peer, buffer, frame)) {
        if (crc32_iscsi(buffer, (int)frame, 0xffffffff) != expected) fail("a frame arrived damaged");
        write_at(file, buffer, frame, done);
        done += (long long)frame;
    }
    report("receive", frame, done, start);
    await(child);
    if (done != total) fail("%lld of %lld bytes arrived", done, total);
    close(file);
}

static void send_frames(size_t frame, long long total, const char *path)
{
    uint8_t *buffer = malloc(frame);
    if (!buffer) fail("out of memory");
    fill_random(buffer, frame);
    int file = open_file(path);
    for (long long done = 0; done < total; done += (long long)frame) write_at(file, buffer, frame, done);
    int peer;
    pid_t child = connect_child(&peer);
    if (child == 0) {
        // A large buffer, so that the receiving end is not what is measured.
        size_t size = 1 << 20;
        uint8_t *sink = malloc(size);
        long long got = 0;
        for (ssize_t count; (count = read(peer, sink, size)) != 0;) {
            if (count < 0 && errno != EINTR) fail("read: %s", strerror(errno));
            if (count > 0) got += count;
        }
        _exit(got == total ? 0 : 1);
    }
    struct usage start = usage_now();
    for (off_t position = 0; position < total;) {
        off_t end = position + (off_t)frame;
        while (position < end) {
            ssize_t sent = sendfile(peer, file, &position, (size_t)(end - position));
            if (sent < 0 && errno == EINTR) continue;
            if (sent <= 0) fail("sendfile: %s", strerror(errno));
        }
    }
    report("send", frame, total, start);
    close(peer);
    await(child);
    close(file);
}

int main(int count, char **arguments)
{
    if (count != 5) fail("usage: limit receive|send FRAME_BYTES TOTAL_BYTES FILE");
    size_t frame = (size_t)positive(arguments[2], "FRAME_BYTES");
    if (frame > 1 << 30) fail("FRAME_BYTES: at most 2^30");
    // Whole frames only.
    long long frames = (positive(arguments[3], "TOTAL_BYTES") + (long long)frame - 1) / (long long)frame;
    long long total = frames * (long long)frame;
    if (!strcmp(arguments[1], "receive"))
        receive_frames(frame, total, arguments[4]);
    else if (!strcmp(arguments[1], "send"))
        send_frames(frame, total, arguments[4]);
    else
        fail("the first argument is receive or send, not '%s'", arguments[1]);
    unlink(arguments[4]);
    return 0;
}
