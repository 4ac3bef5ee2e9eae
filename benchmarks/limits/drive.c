// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// A load driver that speaks just enough of the Kafka protocol to fill and empty a topic of any broker, and costs so
// little itself that the broker is what is measured. All of it uses the last versions before the flexible ones.
//
//   drive wait ADDRESS SINCE_NS TIMEOUT_MS       milliseconds from SINCE_NS (CLOCK_MONOTONIC) to an ApiVersions answer
//   drive create ADDRESS TOPIC PARTITIONS        CreateTopics, one replica
//   drive produce ADDRESS TOPIC PARTITIONS BATCH_BYTES TOTAL_BYTES ACKS IN_FLIGHT CONNECTIONS
//                                                batches of 1 KiB records, prebuilt, as large as BATCH_BYTES allows
//   drive fetch ADDRESS TOPIC PARTITIONS PARTITION_BYTES_MAX CONNECTIONS
//                                                everything that is in the topic, a partition a request
//
// ADDRESS is an IPv4 address and a port, 127.0.0.1:9092. ACKS is 1 or -1. Batches are dealt out to the partitions in
// turn. Each connection is a process of its own. Prints one line of figures.

#include "io.h"

#include <endian.h>
#include <isa-l/crc.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
    key_produce = 0, key_fetch = 1, key_api_versions = 18, key_create_topics = 19,
    connections_max = 64,
    record_value_bytes = 1024,
    batch_header_bytes = 61,
};

// The largest answer that is read: a broker that sends more than it was asked for is not worth measuring.
static const int32_t answer_bytes_max = 1 << 29;

// MARK: Writing

struct frame {
    uint8_t bytes[1024];
    size_t count;
};

static void put(struct frame *frame, const void *bytes, size_t count)
{
    if (count > sizeof frame->bytes - frame->count) fail("the topic's name is too long");
    memcpy(frame->bytes + frame->count, bytes, count);
    frame->count += count;
}

static void put8(struct frame *frame, int8_t value) { put(frame, &value, 1); }

static void put16(struct frame *frame, int16_t value)
{
    uint16_t bytes = htobe16((uint16_t)value);
    put(frame, &bytes, 2);
}

static void put32(struct frame *frame, int32_t value)
{
    uint32_t bytes = htobe32((uint32_t)value);
    put(frame, &bytes, 4);
}

static void put64(struct frame *frame, int64_t value)
{
    uint64_t bytes = htobe64((uint64_t)value);
    put(frame, &bytes, 8);
}

static void put_string(struct frame *frame, const char *text)
{
    put16(frame, (int16_t)strlen(text));
    put(frame, text, strlen(text));
}

// The request's header; its length follows in finish().
static void begin(struct frame *frame, int16_t key, int16_t version, int32_t correlation)
{
    frame->count = 0;
    put32(frame, 0);
    put16(frame, key);
    put16(frame, version);
    put32(frame, correlation);
    put_string(frame, "drive");
}

// Sets the frame's length, with so many bytes to follow from elsewhere.
static void finish(struct frame *frame, size_t following)
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

static int16_t take16(struct answer *answer)
{
    uint16_t value;
    memcpy(&value, take(answer, 2), 2);
    return (int16_t)be16toh(value);
}

static int32_t take32(struct answer *answer)
{
    uint32_t value;
    memcpy(&value, take(answer, 4), 4);
    return (int32_t)be32toh(value);
}

static int64_t take64(struct answer *answer)
{
    uint64_t value;
    memcpy(&value, take(answer, 8), 8);
    return (int64_t)be64toh(value);
}

static void skip_string(struct answer *answer)
{
    int16_t length = take16(answer);
    if (length > 0) take(answer, (size_t)length);
}

// Reads the next answer; returns 0 when the broker closed the connection instead.
static int next_answer(int broker, struct answer *answer, int32_t correlation)
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

static int try_connect(const char *address)
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

static int connect_to(const char *address)
{
    int broker = try_connect(address);
    if (broker < 0) fail("connect to %s: %s", address, strerror(errno));
    return broker;
}

static void wait_for(const char *address, int64_t since_ns, long long timeout_ms)
{
    struct frame request;
    begin(&request, key_api_versions, 0, 1);
    finish(&request, 0);
    struct answer answer = {0};
    for (;; usleep(200)) {
        if (monotonic_ns() - since_ns > timeout_ms * 1000000) fail("no answer from %s in %lld ms", address, timeout_ms);
        int broker = try_connect(address);
        if (broker < 0) continue;
        send_all(broker, &(struct iovec){request.bytes, request.count}, 1);
        int answered = next_answer(broker, &answer, 1);
        double ms = (double)(monotonic_ns() - since_ns) / 1e6;
        close(broker);
        if (!answered) continue;
        int16_t error = take16(&answer);
        if (error) fail("ApiVersions was answered with error %d", error);
        printf("wait ms=%.3f apis=%d\n", ms, take32(&answer));
        return;
    }
}

static void create(const char *address, const char *topic, long long partitions)
{
    struct frame request;
    begin(&request, key_create_topics, 4, 1);
    put32(&request, 1);
    put_string(&request, topic);
    put32(&request, (int32_t)partitions);
    put16(&request, 1);
    put32(&request, 0); // no assignments
    put32(&request, 0); // no configs
    put32(&request, 60000);
    put8(&request, 0);
    finish(&request, 0);
    int broker = connect_to(address);
    send_all(broker, &(struct iovec){request.bytes, request.count}, 1);
    struct answer answer = {0};
    if (!next_answer(broker, &answer, 1)) fail("the broker closed the connection");
    take32(&answer); // throttle time
    take32(&answer); // one topic
    skip_string(&answer);
    int16_t error = take16(&answer);
    if (error) fail("CreateTopics of %s was answered with error %d", topic, error);
}

// MARK: Load

// What one connection moved; shared with the process that reports.
struct tally {
    long long bytes, records, requests;
};

struct batch {
    uint8_t *bytes;
    size_t count;
    int32_t records;
};

static size_t put_varint(uint8_t *into, int32_t value)
{
    uint32_t zigzag = ((uint32_t)value << 1) ^ (uint32_t)(value >> 31);
    size_t count = 0;
    for (; zigzag >= 0x80; zigzag >>= 7) into[count++] = (uint8_t)(zigzag | 0x80);
    into[count++] = (uint8_t)zigzag;
    return count;
}

// One record without key and headers, of the batch's timestamp. Returns its size.
static size_t put_record(uint8_t *into, int32_t offset_delta, const uint8_t *value)
{
    uint8_t body[32];
    size_t count = 0;
    body[count++] = 0; // attributes
    body[count++] = 0; // timestamp delta
    count += put_varint(body + count, offset_delta);
    count += put_varint(body + count, -1); // no key
    count += put_varint(body + count, record_value_bytes);
    size_t done = put_varint(into, (int32_t)(count + record_value_bytes + 1));
    memcpy(into + done, body, count);
    memcpy(into + done + count, value, record_value_bytes);
    into[done + count + record_value_bytes] = 0; // no headers
    return done + count + record_value_bytes + 1;
}

static struct batch build_batch(size_t bytes_max)
{
    enum { record_bytes_max = record_value_bytes + 40, bytes_min = batch_header_bytes + record_bytes_max };
    if (bytes_max < bytes_min) fail("BATCH_BYTES: at least %d", bytes_min);
    struct batch batch = {.bytes = malloc(bytes_max + record_bytes_max), .count = batch_header_bytes};
    uint8_t *values = malloc(bytes_max + record_value_bytes);
    if (!batch.bytes || !values) fail("out of memory");
    fill_random(values, bytes_max + record_value_bytes);
    for (;;) {
        const uint8_t *value = values + (size_t)batch.records * record_value_bytes;
        size_t size = put_record(batch.bytes + batch.count, batch.records, value);
        if (batch.count + size > bytes_max) break;
        batch.count += size;
        batch.records++;
    }
    free(values);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t timestamp = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    struct frame header = {.count = 0};
    put64(&header, 0);                             // base offset
    put32(&header, (int32_t)batch.count - 12);     // length after this field
    put32(&header, -1);                            // leader epoch
    put8(&header, 2);                              // magic
    put32(&header, 0);                             // CRC, below
    put16(&header, 0);                             // attributes: no codec, create time
    put32(&header, batch.records - 1);             // last offset delta
    put64(&header, timestamp);                     // base timestamp
    put64(&header, timestamp);                     // max timestamp
    put64(&header, -1);                            // producer id
    put16(&header, -1);                            // producer epoch
    put32(&header, -1);                            // base sequence
    put32(&header, batch.records);
    memcpy(batch.bytes, header.bytes, batch_header_bytes);
    // From the attributes on; isa-l leaves the final inversion to the caller.
    uint32_t crc = htobe32(~crc32_iscsi(batch.bytes + 21, (int)(batch.count - 21), 0xffffffff));
    memcpy(batch.bytes + 17, &crc, 4);
    return batch;
}

struct load {
    const char *address, *topic;
    int32_t partitions, connections;
    // Produce.
    struct batch batch;
    long long batches;
    int16_t acks;
    int32_t in_flight;
    // Fetch.
    int32_t partition_bytes_max;
};

static void check_produced(int broker, struct answer *answer, int32_t correlation)
{
    if (!next_answer(broker, answer, correlation)) fail("the broker closed the connection");
    take32(answer); // one topic
    skip_string(answer);
    take32(answer); // one partition
    int32_t partition = take32(answer);
    int16_t error = take16(answer);
    if (error) fail("Produce to partition %d was answered with error %d", partition, error);
}

static void produce(const struct load *load, int32_t connection, struct tally *tally)
{
    int broker = connect_to(load->address);
    struct answer answer = {0};
    int32_t sent = 0, answered = 0;
    for (long long batch = connection; batch < load->batches; batch += load->connections) {
        struct frame request;
        begin(&request, key_produce, 8, sent++);
        put16(&request, -1); // no transactional id
        put16(&request, load->acks);
        put32(&request, 30000);
        put32(&request, 1);
        put_string(&request, load->topic);
        put32(&request, 1);
        put32(&request, (int32_t)(batch % load->partitions));
        put32(&request, (int32_t)load->batch.count);
        finish(&request, load->batch.count);
        struct iovec parts[] = {{request.bytes, request.count}, {load->batch.bytes, load->batch.count}};
        send_all(broker, parts, 2);
        if (sent - answered == load->in_flight) check_produced(broker, &answer, answered++);
        tally->requests++;
        tally->bytes += (long long)load->batch.count;
        tally->records += load->batch.records;
    }
    while (answered < sent) check_produced(broker, &answer, answered++);
}

static void ask_for(int broker, const struct load *load, int32_t partition, int64_t offset, int32_t correlation)
{
    struct frame request;
    begin(&request, key_fetch, 11, correlation);
    put32(&request, -1);  // no replica
    put32(&request, 500); // longest wait
    put32(&request, 1);   // fewest bytes
    put32(&request, load->partition_bytes_max);
    put8(&request, 0);   // uncommitted records too
    put32(&request, 0);  // no session
    put32(&request, -1);
    put32(&request, 1);
    put_string(&request, load->topic);
    put32(&request, 1);
    put32(&request, partition);
    put32(&request, -1); // any leader epoch
    put64(&request, offset);
    put64(&request, -1); // log start offset, for followers
    put32(&request, load->partition_bytes_max);
    put32(&request, 0);      // nothing forgotten
    put_string(&request, ""); // no rack
    finish(&request, 0);
    send_all(broker, &(struct iovec){request.bytes, request.count}, 1);
}

// Counts the whole batches of an answer and moves the offset behind them. Returns 1 at the end of the partition.
static int count_fetched(struct answer *answer, int64_t *offset, struct tally *tally)
{
    take32(answer); // throttle time
    int16_t error = take16(answer);
    if (error) fail("Fetch was answered with error %d", error);
    take32(answer); // session
    if (take32(answer) != 1) fail("Fetch was answered without the topic");
    skip_string(answer);
    take32(answer); // one partition
    int32_t partition = take32(answer);
    error = take16(answer);
    if (error) fail("Fetch of partition %d was answered with error %d", partition, error);
    int64_t high_watermark = take64(answer);
    take64(answer); // last stable offset
    take64(answer); // log start offset
    for (int32_t aborted = take32(answer); aborted > 0; aborted--) take(answer, 16);
    take32(answer); // preferred replica
    int32_t length = take32(answer);
    size_t end = answer->position + (length > 0 ? (size_t)length : 0);
    while (end - answer->position >= batch_header_bytes) {
        size_t start = answer->position;
        int64_t base = take64(answer);
        int32_t size = take32(answer);
        if (size < batch_header_bytes - 12) fail("a batch of %d bytes at offset %lld", size, (long long)base);
        if (end - answer->position < (size_t)size) break; // cut off by the limit
        take(answer, 11);
        int32_t last_delta = take32(answer);
        take(answer, 30);
        tally->records += take32(answer);
        tally->bytes += size + 12;
        *offset = base + last_delta + 1;
        answer->position = start + 12 + (size_t)size;
    }
    return *offset >= high_watermark;
}

static void fetch(const struct load *load, int32_t connection, struct tally *tally)
{
    int broker = connect_to(load->address);
    struct answer answer = {0};
    int32_t correlation = 0;
    int64_t *offsets = calloc((size_t)load->partitions, sizeof *offsets);
    uint8_t *ended = calloc((size_t)load->partitions, 1);
    if (!offsets || !ended) fail("out of memory");
    for (int left = 1; left;) {
        left = 0;
        for (int32_t partition = connection; partition < load->partitions; partition += load->connections) {
            if (ended[partition]) continue;
            left = 1;
            ask_for(broker, load, partition, offsets[partition], correlation);
            if (!next_answer(broker, &answer, correlation++)) fail("the broker closed the connection");
            ended[partition] = (uint8_t)count_fetched(&answer, &offsets[partition], tally);
            tally->requests++;
        }
    }
}

// Runs every connection in a process of its own and prints what they moved together.
static void run(const char *what, const struct load *load, void (*work)(const struct load *, int32_t, struct tally *))
{
    if (load->connections > connections_max) fail("CONNECTIONS: at most %d", connections_max);
    size_t size = sizeof(struct tally) * connections_max;
    struct tally *tallies = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), sum = {0};
    if (tallies == MAP_FAILED) fail("mmap: %s", strerror(errno));
    int64_t start = monotonic_ns();
    for (int32_t connection = 0; connection < load->connections; connection++) {
        pid_t child = fork();
        if (child < 0) fail("fork: %s", strerror(errno));
        if (child == 0) {
            work(load, connection, &tallies[connection]);
            _exit(0);
        }
    }
    int failed = 0;
    for (int status; wait(&status) > 0;) failed |= !WIFEXITED(status) || WEXITSTATUS(status);
    double wall = (double)(monotonic_ns() - start) / 1e9;
    if (failed) exit(1);
    for (int32_t i = 0; i < load->connections; i++) {
        sum.bytes += tallies[i].bytes;
        sum.records += tallies[i].records;
        sum.requests += tallies[i].requests;
    }
    printf("%s bytes=%lld records=%lld requests=%lld wall_s=%.3f gb_per_s=%.3f\n", what, sum.bytes, sum.records,
           sum.requests, wall, (double)sum.bytes / 1e9 / wall);
}

int main(int count, char **arguments)
{
    const char *command = count > 1 ? arguments[1] : "";
    if (!strcmp(command, "wait") && count == 5) {
        wait_for(arguments[2], positive(arguments[3], "SINCE_NS"), positive(arguments[4], "TIMEOUT_MS"));
    } else if (!strcmp(command, "create") && count == 5) {
        create(arguments[2], arguments[3], positive(arguments[4], "PARTITIONS"));
    } else if (!strcmp(command, "produce") && count == 10) {
        struct load load = {.address = arguments[2], .topic = arguments[3]};
        load.partitions = (int32_t)positive(arguments[4], "PARTITIONS");
        load.batch = build_batch((size_t)positive(arguments[5], "BATCH_BYTES"));
        long long size = (long long)load.batch.count;
        load.batches = (positive(arguments[6], "TOTAL_BYTES") + size - 1) / size;
        load.acks = (int16_t)atoi(arguments[7]);
        if (load.acks != 1 && load.acks != -1) fail("ACKS: 1 or -1, not '%s'", arguments[7]);
        load.in_flight = (int32_t)positive(arguments[8], "IN_FLIGHT");
        load.connections = (int32_t)positive(arguments[9], "CONNECTIONS");
        run("produce", &load, produce);
    } else if (!strcmp(command, "fetch") && count == 7) {
        struct load load = {.address = arguments[2], .topic = arguments[3]};
        load.partitions = (int32_t)positive(arguments[4], "PARTITIONS");
        load.partition_bytes_max = (int32_t)positive(arguments[5], "PARTITION_BYTES_MAX");
        load.connections = (int32_t)positive(arguments[6], "CONNECTIONS");
        run("fetch", &load, fetch);
    } else {
        fail("usage: drive wait|create|produce|fetch …, see the head of drive.c");
    }
    return 0;
}
