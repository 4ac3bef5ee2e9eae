// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// What both programs need of sockets, clocks and randomness. Everything that fails ends the program with a message.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static inline void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline long long positive(const char *text, const char *what)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || end == text || value <= 0) fail("%s: expected a number above 0, not '%s'", what, text);
    return value;
}

static inline int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// Bytes that no codec makes smaller. The same ones in every run.
static inline void fill_random(uint8_t *bytes, size_t count)
{
    uint64_t state = 0x9e3779b97f4a7c15ULL;
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (uint8_t)(state >> 32);
    }
}

static inline void send_all(int descriptor, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t sent = writev(descriptor, parts, count);
        if (sent < 0) {
            if (errno == EINTR) continue;
            fail("write to the socket: %s", strerror(errno));
        }
        while (count > 0 && (size_t)sent >= parts->iov_len) {
            sent -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (uint8_t *)parts->iov_base + sent;
            parts->iov_len -= (size_t)sent;
        }
    }
}

// Reads exactly so many bytes; returns 0 when the peer closed before the first of them.
static inline int receive_all(int descriptor, void *into, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t got = read(descriptor, (uint8_t *)into + done, count - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("read from the socket: %s", strerror(errno));
        if (got == 0) {
            if (done == 0) return 0;
            fail("the peer closed the connection after %zu of %zu bytes", done, count);
        }
        done += (size_t)got;
    }
    return 1;
}
