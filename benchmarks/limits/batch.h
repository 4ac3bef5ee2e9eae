// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// Record batches as producers make them, built once and sent again and again.
#pragma once

#include "kafka.h"

#include <isa-l/crc.h>

enum { batch_header_bytes = 61, key_bytes = 8, record_overhead_max = 48 };

struct batch {
    uint8_t *bytes;
    size_t count;
    int32_t records;
};

static inline size_t put_varint(uint8_t *into, int32_t value)
{
    uint32_t zigzag = ((uint32_t)value << 1) ^ (uint32_t)(value >> 31);
    size_t count = 0;
    for (; zigzag >= 0x80; zigzag >>= 7) into[count++] = (uint8_t)(zigzag | 0x80);
    into[count++] = (uint8_t)zigzag;
    return count;
}

// One record without headers, of the batch's timestamp, its key NULL or of key_bytes. Returns its size.
static inline size_t put_record(uint8_t *into, int32_t offset_delta, const uint64_t *key, const uint8_t *value,
                                size_t value_bytes)
{
    uint8_t body[record_overhead_max];
    size_t count = 0;
    body[count++] = 0; // attributes
    body[count++] = 0; // timestamp delta
    count += put_varint(body + count, offset_delta);
    count += put_varint(body + count, key ? key_bytes : -1);
    if (key) {
        memcpy(body + count, key, key_bytes);
        count += key_bytes;
    }
    count += put_varint(body + count, (int32_t)value_bytes);
    size_t done = put_varint(into, (int32_t)(count + value_bytes + 1));
    memcpy(into + done, body, count);
    memcpy(into + done + count, value, value_bytes);
    into[done + count + value_bytes] = 0; // no headers
    return done + count + value_bytes + 1;
}

static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1dULL;
}

// As many records of value_bytes as go into bytes_max. With `keys` each has one of so many keys, by chance.
static inline struct batch build_batch(size_t bytes_max, size_t value_bytes, uint64_t keys, uint64_t *random)
{
    size_t record_bytes_max = value_bytes + record_overhead_max;
    if (bytes_max < batch_header_bytes + record_bytes_max)
        fail("BATCH_BYTES: at least %zu", batch_header_bytes + record_bytes_max);
    struct batch batch = {.bytes = malloc(bytes_max + record_bytes_max), .count = batch_header_bytes};
    uint8_t *values = malloc(bytes_max + value_bytes);
    if (!batch.bytes || !values) fail("out of memory");
    fill_random(values, bytes_max + value_bytes);
    for (;;) {
        const uint8_t *value = values + (size_t)batch.records * value_bytes;
        uint64_t key = keys ? htobe64(next_random(random) % keys) : 0;
        size_t size = put_record(batch.bytes + batch.count, batch.records, keys ? &key : NULL, value, value_bytes);
        if (batch.count + size > bytes_max) break;
        batch.count += size;
        batch.records++;
    }
    free(values);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t timestamp = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    struct frame header = {.count = 0};
    put64(&header, 0);                         // base offset
    put32(&header, (int32_t)batch.count - 12); // length after this field
    put32(&header, -1);                        // leader epoch
    put8(&header, 2);                          // magic
    put32(&header, 0);                         // CRC, below
    put16(&header, 0);                         // attributes: no codec, create time
    put32(&header, batch.records - 1);         // last offset delta
    put64(&header, timestamp);                 // base timestamp
    put64(&header, timestamp);                 // max timestamp
    put64(&header, -1);                        // producer id
    put16(&header, -1);                        // producer epoch
    put32(&header, -1);                        // base sequence
    put32(&header, batch.records);
    memcpy(batch.bytes, header.bytes, batch_header_bytes);
    // From the attributes on; isa-l leaves the final inversion to the caller.
    uint32_t crc = htobe32(~crc32_iscsi(batch.bytes + 21, (int)(batch.count - 21), 0xffffffff));
    memcpy(batch.bytes + 17, &crc, 4);
    return batch;
}
