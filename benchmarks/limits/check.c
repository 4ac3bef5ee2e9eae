// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// Compares the percentiles of the histogram with those of a sorted array of the same numbers; see `make check`.

#include "latency.h"

enum { samples = 200000 };

static int ascending(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int main(void)
{
    static struct latency whole, halves[2];
    static int64_t sorted[samples];
    uint64_t state = 0x9e3779b97f4a7c15ULL;
    for (int magnitude = 1; magnitude <= 40; magnitude++) {
        memset(&whole, 0, sizeof whole);
        memset(halves, 0, sizeof halves);
        for (int i = 0; i < samples; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Spread over all sizes up to the magnitude, with a long tail.
            sorted[i] = (int64_t)((state & ((1ULL << magnitude) - 1)) >> (state >> 60));
            latency_add(&halves[i % 2], sorted[i]);
        }
        latency_merge(&whole, &halves[0]);
        latency_merge(&whole, &halves[1]);
        qsort(sorted, samples, sizeof *sorted, ascending);
        for (int thousandth = 1; thousandth <= 1000; thousandth++) {
            int64_t exact = sorted[((long long)thousandth * samples + 999) / 1000 - 1];
            double got = latency_percentile(&whole, thousandth / 1000.0), off = got - (double)exact;
            if (off < 0) off = -off;
            if (off > (double)exact / 256 + 0.5)
                fail("2^%d: percentile %g is %.1f, not %lld", magnitude, thousandth / 10.0, got, (long long)exact);
        }
        if (whole.count != samples || whole.max_ns != sorted[samples - 1]) fail("2^%d: count or maximum", magnitude);
    }
    puts("percentiles are right");
    return 0;
}
