// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// As much of the Kafka protocol as the load driver needs: frames, answers, connections. Everything that fails ends the
// program with a message.
#pragma once

#include "io.h"

#include <endian.h>

enum { key_produce = 0, key_fetch = 1, key_api_versions = 18, key_create_topics = 19 };

// The largest answer that is read: a broker that sends more than it was asked for is not worth measuring.
static const int32_t answer_bytes_max = 1 << 29;

// MARK: Writing

struct frame {
    uint8_t bytes[1024];
    size_t count;
};

static inline void put(struct frame *frame, const void *bytes, size_t count)
{
    if (count > sizeof frame->bytes - frame->count) fail("the topic's name is too long");
    memcpy(frame->bytes + frame->count, bytes, count);
    frame->count += count;
}

static inline void put8(struct frame *frame, int8_t value) { put(frame, &value, 1); }

static inline void put16(struct frame *frame, int16_t value)
{
    uint16_t bytes = htobe16((uint16_t)value);
    put(frame, &bytes, 2);
}

static inline void put32(struct frame *frame, int32_t value)
{
    uint32_t bytes = htobe32((uint32_t)value);
    put(frame, &bytes, 4);
}

static inline void put64(struct frame *frame, int64_t value)
{
    uint64_t bytes = htobe64((uint64_t)value);
    put(frame, &bytes, 8);
}

static inline void put_string(struct frame *frame, const char *text)
{
    put16(frame, (int16_t)strlen(text));
    put(frame, text, strlen(text));
}

// The request's header; its length follows in finish().
static inline void begin(struct frame *frame, int16_t key, int16_t version, int32_t correlation)
{
    frame->count = 0;
    put32(frame, 0);
    put16(frame, key);
    put16(frame, version);
    put32(frame, correlation);
    put_string(frame, "drive");
}

// Sets the frame's length, with so many bytes to follow from elsewhere.
static inline void finish(struct frame *frame, size_t following)
{
    uint32_t length = htobe32((uint32_t)(frame->count - 4 + following));
    memcpy(frame->bytes, &length, 4);
}

// MARK: Reading

struct answer {
    uint8_t *bytes;
    size_t capacity, count, position;
};

static const uint8_t *take(struct answer *answer, size_t count)
{
    if (count > answer->count - answer->position) fail("an answer is shorter than its version says");
    answer->position += count;
    return answer->bytes + answer->position - count;
}

static inline int16_t take16(struct answer *answer)
{
    uint16_t value;
    memcpy(&value, take(answer, 2), 2);
    return (int16_t)be16toh(value);
}

static inline int32_t take32(struct answer *answer)
{
    uint32_t value;
    memcpy(&value, take(answer, 4), 4);
    return (int32_t)be32toh(value);
}

static inline int64_t take64(struct answer *answer)
{
    uint64_t value;
    memcpy(&value, take(answer, 8), 8);
    return (int64_t)be64toh(value);
}

static inline void skip_string(struct answer *answer)
{
    int16_t length = take16(answer);
    if (length > 0) take(answer, (size_t)length);
}

// Reads the next answer; returns 0 when the broker closed the connection instead.
static inline int next_answer(int broker, struct answer *answer, int32_t correlation)
{
    uint32_t prefix;
    if (!receive_all(broker, &prefix, 4)) return 0;
    int32_t length = (int32_t)be32toh(prefix);
    if (length < 4 || length > answer_bytes_max) fail("an answer of %d bytes", length);
    if ((size_t)length > answer->capacity) {
        free(answer->bytes);
        answer->capacity = (size_t)length;
        answer->bytes = malloc(answer->capacity);
        if (!answer->bytes) fail("out of memory");
    }
    if (!receive_all(broker, answer->bytes, (size_t)length)) fail("the broker closed the connection");
    answer->count = (size_t)length;
    answer->position = 0;
    int32_t got = take32(answer);
    if (got != correlation) fail("answer %d came where %d was due", got, correlation);
    return 1;
}

// MARK: Connecting

static inline int try_connect(const char *address)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    struct sockaddr_in peer = {.sin_family = AF_INET};
    if (!colon || (size_t)(colon - address) >= sizeof host) fail("'%s' is not HOST:PORT", address);
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    peer.sin_port = htons((uint16_t)positive(colon + 1, "port"));
    if (inet_pton(AF_INET, host, &peer.sin_addr) != 1) fail("'%s' is not an IPv4 address", host);
    int broker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (broker < 0) fail("socket: %s", strerror(errno));
    setsockopt(broker, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(broker, (struct sockaddr *)&peer, sizeof peer) == 0) return broker;
    close(broker);
    return -1;
}

static inline int connect_to(const char *address)
{
    int broker = try_connect(address);
    if (broker < 0) fail("connect to %s: %s", address, strerror(errno));
    return broker;
}
