// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// A load driver that speaks just enough of the Kafka protocol to fill and empty a topic of any broker, and costs so
// little itself that the broker is what is measured. All of it uses the last versions before the flexible ones.
//
//   drive wait ADDRESS SINCE_NS TIMEOUT_MS       milliseconds from SINCE_NS (CLOCK_MONOTONIC) to an ApiVersions answer
//   drive create ADDRESS TOPIC PARTITIONS [CONFIG=VALUE ...]
//                                                CreateTopics, one replica
//   drive produce ADDRESS TOPIC PARTITIONS BATCH_BYTES TOTAL_BYTES ACKS IN_FLIGHT CONNECTIONS [OPTION=NUMBER ...]
//                                                batches of 1 KiB records, prebuilt, as large as BATCH_BYTES allows
//   drive fetch ADDRESS TOPIC PARTITIONS PARTITION_BYTES_MAX CONNECTIONS
//                                                everything that is in the topic, a partition a request
//
// ADDRESS is an IPv4 address and a port, 127.0.0.1:9092. ACKS is 1 or -1. Batches are dealt out to the partitions in
// turn. Each connection is a process of its own. Prints one line of figures; a latency is that of a Produce request,
// from just before its first byte is written to the last byte of its answer. Options of produce:
//
//   seconds   sends no longer than that, even if TOTAL_BYTES are not reached
//   record    bytes of a record's value, 1024 unless told
//   keyed     1: partitions by chance instead of in turn, as the keys of records would have it
//   spread    batches in a request, each for a partition of its own; 1 unless told
//   keys      gives records keys, so many different ones
//   rate      requests a second, all connections together. Each has its time, and its latency counts from then, even
//             if it has to wait because IN_FLIGHT are under way: nobody waits unseen.

#include "batch.h"
#include "latency.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
    connections_max = 64,
    spread_max = 256,
    batch_pool = 16, // different batches, where their keys matter
};

// MARK: Commands

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

static void create(const char *address, const char *topic, long long partitions, char **configs, int config_count)
{
    struct frame request;
    begin(&request, key_create_topics, 4, 1);
    put32(&request, 1);
    put_string(&request, topic);
    put32(&request, (int32_t)partitions);
    put16(&request, 1);
    put32(&request, 0); // no assignments
    put32(&request, config_count);
    for (int i = 0; i < config_count; i++) {
        char *value = strchr(configs[i], '=');
        if (!value) fail("'%s' is not CONFIG=VALUE", configs[i]);
        *value++ = 0;
        put_string(&request, configs[i]);
        put_string(&request, value);
    }
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
    struct latency latency;
};

struct load {
    const char *address, *topic;
    int32_t partitions, connections;
    // Produce.
    size_t batch_bytes;
    struct batch batches[batch_pool];
    long long total_bytes, seconds, record, keyed, spread, keys, rate;
    int32_t batch_count;
    int16_t acks;
    int32_t in_flight;
    // Fetch.
    int32_t partition_bytes_max;
};

// What one producing connection knows.
struct producer {
    const struct load *load;
    int broker;
    struct answer answer;
    uint64_t random;
    int32_t *partitions;   // all of them, in the order in which they were last used
    int32_t next;          // for partitions in turn
    int64_t *began_ns;     // of the requests under way, by their number modulo IN_FLIGHT
    int32_t sent, answered;
};

static int32_t pick_partition(struct producer *producer, int32_t position)
{
    const struct load *load = producer->load;
    if (!load->keyed) {
        int32_t partition = producer->next;
        producer->next = (int32_t)((producer->next + (load->spread > 1 ? 1 : load->connections)) % load->partitions);
        return partition;
    }
    // One of those that this request does not have yet.
    int32_t left = load->partitions - position;
    int32_t other = position + (int32_t)(next_random(&producer->random) % (uint64_t)left);
    int32_t partition = producer->partitions[other];
    producer->partitions[other] = producer->partitions[position];
    producer->partitions[position] = partition;
    return partition;
}

static void send_batches(struct producer *producer, struct tally *tally, int64_t began_ns)
{
    const struct load *load = producer->load;
    struct frame request;
    uint8_t heads[spread_max][8];
    struct iovec parts[1 + 2 * spread_max];
    size_t following = 0;
    begin(&request, key_produce, 8, producer->sent);
    put16(&request, -1); // no transactional id
    put16(&request, load->acks);
    put32(&request, 30000);
    put32(&request, 1);
    put_string(&request, load->topic);
    put32(&request, (int32_t)load->spread);
    for (int32_t i = 0; i < load->spread; i++) {
        const struct batch *batch = &load->batches[next_random(&producer->random) % (uint64_t)load->batch_count];
        uint32_t partition = htobe32((uint32_t)pick_partition(producer, i)), count = htobe32((uint32_t)batch->count);
        memcpy(heads[i], &partition, 4);
        memcpy(heads[i] + 4, &count, 4);
        parts[1 + 2 * i] = (struct iovec){heads[i], sizeof heads[i]};
        parts[2 + 2 * i] = (struct iovec){batch->bytes, batch->count};
        following += sizeof heads[i] + batch->count;
        tally->bytes += (long long)batch->count;
        tally->records += batch->records;
    }
    finish(&request, following);
    parts[0] = (struct iovec){request.bytes, request.count};
    producer->began_ns[producer->sent++ % load->in_flight] = began_ns;
    send_all(producer->broker, parts, 1 + 2 * (int)load->spread);
    tally->requests++;
}

static void check_produced(struct producer *producer, struct tally *tally)
{
    struct answer *answer = &producer->answer;
    if (!next_answer(producer->broker, answer, producer->answered)) fail("the broker closed the connection");
    int64_t began_ns = producer->began_ns[producer->answered++ % producer->load->in_flight];
    latency_add(&tally->latency, monotonic_ns() - began_ns);
    if (take32(answer) != 1) fail("Produce was answered without the topic");
    skip_string(answer);
    if (take32(answer) != producer->load->spread) fail("Produce was answered without all partitions");
    for (long long left = producer->load->spread; left > 0; left--) {
        int32_t partition = take32(answer);
        int16_t error = take16(answer);
        if (error) fail("Produce to partition %d was answered with error %d", partition, error);
        take(answer, 24); // base offset, append time, log start offset
        if (take32(answer) > 0) fail("Produce to partition %d named wrong records", partition);
        skip_string(answer);
    }
}

static void produce(const struct load *load, int32_t connection, struct tally *tally)
{
    struct producer producer = {.load = load, .broker = connect_to(load->address), .next = connection % load->partitions};
    producer.random = 0x9e3779b97f4a7c15ULL * (uint64_t)(connection + 1);
    producer.partitions = calloc((size_t)load->partitions, sizeof *producer.partitions);
    producer.began_ns = calloc((size_t)load->in_flight, sizeof *producer.began_ns);
    if (!producer.partitions || !producer.began_ns) fail("out of memory");
    for (int32_t i = 0; i < load->partitions; i++) producer.partitions[i] = i;
    long long request_bytes = load->spread * (long long)load->batches[0].count;
    long long requests = (load->total_bytes + request_bytes - 1) / request_bytes;
    requests = requests / load->connections + (connection < requests % load->connections);
    int64_t start = monotonic_ns(), end = load->seconds ? start + load->seconds * 1000000000 : INT64_MAX;
    double interval_ns = load->rate ? 1e9 * load->connections / (double)load->rate : 0;
    int is_sending = requests > 0;
    while (is_sending || producer.answered < producer.sent) {
        int64_t now = monotonic_ns();
        // Connections take turns within the interval.
        int64_t due = start + (int64_t)(interval_ns * (producer.sent + connection / (double)load->connections));
        if (now >= end || producer.sent == requests) is_sending = 0;
        if (is_sending && producer.sent - producer.answered < load->in_flight) {
            if (!load->rate || now >= due) {
                send_batches(&producer, tally, load->rate ? due : now);
                continue;
            }
            struct timespec wait = {.tv_sec = (due - now) / 1000000000, .tv_nsec = (due - now) % 1000000000};
            if (ppoll(&(struct pollfd){.fd = producer.broker, .events = POLLIN}, 1, &wait, NULL) <= 0) continue;
            if (producer.answered == producer.sent) fail("the broker closed the connection");
        }
        if (producer.answered < producer.sent) check_produced(&producer, tally);
    }
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
    struct tally *tallies = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static struct tally sum;
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
        latency_merge(&sum.latency, &tallies[i].latency);
    }
    if (load->in_flight && sum.latency.count != sum.requests)
        fail("%lld of %lld requests were answered", sum.latency.count, sum.requests);
    printf("%s bytes=%lld records=%lld requests=%lld wall_s=%.3f gb_per_s=%.4f ", what, sum.bytes, sum.records,
           sum.requests, wall, (double)sum.bytes / 1e9 / wall);
    latency_print(&sum.latency);
    putchar('\n');
}

static void take_option(struct load *load, const char *option)
{
    const struct {
        const char *name;
        long long *value;
    } options[] = {
        {"seconds", &load->seconds}, {"record", &load->record}, {"keyed", &load->keyed},
        {"spread", &load->spread},   {"keys", &load->keys},     {"rate", &load->rate},
    };
    const char *value = strchr(option, '=');
    for (size_t i = 0; value && i < sizeof options / sizeof *options; i++) {
        if ((size_t)(value - option) == strlen(options[i].name) && !memcmp(option, options[i].name, value - option)) {
            *options[i].value = positive(value + 1, options[i].name);
            return;
        }
    }
    fail("'%s' is no option of produce, see the head of drive.c", option);
}

static void prepare_produce(struct load *load, char **arguments, int option_count)
{
    load->partitions = (int32_t)positive(arguments[0], "PARTITIONS");
    load->batch_bytes = (size_t)positive(arguments[1], "BATCH_BYTES");
    load->total_bytes = positive(arguments[2], "TOTAL_BYTES");
    load->acks = (int16_t)atoi(arguments[3]);
    if (load->acks != 1 && load->acks != -1) fail("ACKS: 1 or -1, not '%s'", arguments[3]);
    load->in_flight = (int32_t)positive(arguments[4], "IN_FLIGHT");
    load->connections = (int32_t)positive(arguments[5], "CONNECTIONS");
    load->record = 1024;
    load->spread = 1;
    for (int i = 0; i < option_count; i++) take_option(load, arguments[6 + i]);
    if (load->spread > spread_max || load->spread > load->partitions)
        fail("spread: at most %d, and at most the number of partitions", spread_max);
    uint64_t random = 0x2545f4914f6cdd1dULL;
    load->batch_count = load->keys ? batch_pool : 1;
    for (int32_t i = 0; i < load->batch_count; i++)
        load->batches[i] = build_batch(load->batch_bytes, (size_t)load->record, (uint64_t)load->keys, &random);
}

int main(int count, char **arguments)
{
    const char *command = count > 1 ? arguments[1] : "";
    static struct load load;
    if (count > 3) load.address = arguments[2], load.topic = arguments[3];
    if (!strcmp(command, "wait") && count == 5) {
        wait_for(arguments[2], positive(arguments[3], "SINCE_NS"), positive(arguments[4], "TIMEOUT_MS"));
    } else if (!strcmp(command, "create") && count >= 5) {
        create(arguments[2], arguments[3], positive(arguments[4], "PARTITIONS"), arguments + 5, count - 5);
    } else if (!strcmp(command, "produce") && count >= 10) {
        prepare_produce(&load, arguments + 4, count - 10);
        run("produce", &load, produce);
    } else if (!strcmp(command, "fetch") && count == 7) {
        load.partitions = (int32_t)positive(arguments[4], "PARTITIONS");
        load.partition_bytes_max = (int32_t)positive(arguments[5], "PARTITION_BYTES_MAX");
        load.connections = (int32_t)positive(arguments[6], "CONNECTIONS");
        run("fetch", &load, fetch);
    } else {
        fail("usage: drive wait|create|produce|fetch …, see the head of drive.c");
    }
    return 0;
}
