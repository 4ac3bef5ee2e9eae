// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// A histogram of latencies whose buckets grow with what they count: 128 of them for each power of two, so that a
// percentile is off by at most 1 in 256. Zeroed memory is an empty one, which processes may share.
#pragma once

#include "io.h"

enum {
    latency_bits = 7,                                      // 2^7 buckets for each power of two
    latency_powers = 42,                                   // up to 2^42 ns, an hour and a quarter
    latency_buckets = (latency_powers - latency_bits + 1) << latency_bits,
};

struct latency {
    long long count, buckets[latency_buckets];
    int64_t max_ns;
    double sum_ns;
};

static inline size_t latency_bucket(uint64_t ns)
{
    if (ns < 1 << latency_bits) return ns;
    int shift = 63 - __builtin_clzll(ns) - latency_bits;
    size_t bucket = ((size_t)shift << latency_bits) + (size_t)(ns >> shift);
    return bucket < latency_buckets ? bucket : latency_buckets - 1;
}

// The middle of a bucket.
static inline double latency_value(size_t bucket)
{
    if (bucket < 2 << latency_bits) return (double)bucket;
    size_t shift = (bucket >> latency_bits) - 1;
    uint64_t low = ((bucket & ((1 << latency_bits) - 1)) | 1 << latency_bits) << shift;
    return (double)low + (double)(1ULL << shift) / 2;
}

static inline void latency_add(struct latency *latency, int64_t ns)
{
    if (ns < 0) fail("a latency of %lld ns: the monotonic clock went back", (long long)ns);
    latency->buckets[latency_bucket((uint64_t)ns)]++;
    latency->count++;
    latency->sum_ns += (double)ns;
    if (ns > latency->max_ns) latency->max_ns = ns;
}

static inline void latency_merge(struct latency *into, const struct latency *from)
{
    for (size_t i = 0; i < latency_buckets; i++) into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns) into->max_ns = from->max_ns;
}

// The value that `part` of all are not above (nearest rank), in nanoseconds; 0 without any.
static inline double latency_percentile(const struct latency *latency, double part)
{
    // Less a little, so that 0.99 of 100, which is not a whole number in binary, does not become the 100th.
    double exact = part * (double)latency->count - 1e-6;
    long long rank = (long long)exact, seen = 0;
    if ((double)rank < exact) rank++;
    if (rank < 1) rank = 1;
    for (size_t i = 0; i < latency_buckets; i++) {
        seen += latency->buckets[i];
        if (seen >= rank) {
            double value = latency_value(i);
            return value < (double)latency->max_ns ? value : (double)latency->max_ns;
        }
    }
    return (double)latency->max_ns;
}

// Figures in microseconds, without a line break.
static inline void latency_print(const struct latency *latency)
{
    double mean = latency->count ? latency->sum_ns / (double)latency->count : 0;
    printf("latencies=%lld mean_us=%.1f ", latency->count, mean / 1e3);
    printf("p50_us=%.1f p99_us=%.1f ", latency_percentile(latency, 0.5) / 1e3, latency_percentile(latency, 0.99) / 1e3);
    printf("p999_us=%.1f max_us=%.1f", latency_percentile(latency, 0.999) / 1e3, (double)latency->max_ns / 1e3);
}
