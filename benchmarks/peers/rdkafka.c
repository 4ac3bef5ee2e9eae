// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.
//
// What benchmarks/client-bench does, by librdkafka: the peer of KafkaClient. Settings are librdkafka's, as name=value.
//
//   rdkafka produce BROKERS TOPIC RECORDS BYTES [name=value...]   as fast as it goes, all acknowledged at the end
//   rdkafka consume BROKERS TOPIC RECORDS [name=value...]         all partitions from their beginning, in batches
//   rdkafka latency BROKERS TOPIC PER_SECOND SECONDS BYTES [...]  from the time a record was due to its acknowledgement
//   rdkafka stall BROKERS TOPIC SECONDS [name=value...]           fetches and is never asked for anything
//
// Prints name=value pairs: records, bytes, wall_s, cpu_s (user and system time of the whole process, between the first
// and the last record), peak_mib, anonymous_mib (of the memory at the end, what is not pages of files); for latency p50_us, p99_us, p999_us, max_us.

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { TIMEOUT_MS = 60000, BATCH_MAX = 10000, PARTITIONS_MAX = 1024 };

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "rdkafka: %s: %s\n", what, why);
    exit(1);
}

static double now_s(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// A size from /proc/self/status, in MiB. Not ru_maxrss, which begins with what the process had that made this one.
static double status_mib(const char *name) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name))) kib = atof(line + strlen(name));
    if (file) fclose(file);
    return kib / 1024;
}

static double wall_from, cpu_from;

static void begin(void) {
    wall_from = now_s();
    cpu_from = cpu_s();
}

static void report(int64_t records, int64_t bytes) {
    printf("records=%lld bytes=%lld wall_s=%.6f cpu_s=%.6f peak_mib=%.1f anonymous_mib=%.1f", (long long)records,
           (long long)bytes, now_s() - wall_from, cpu_s() - cpu_from, status_mib("VmHWM:"), status_mib("RssAnon:"));
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) fail(name, why);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *brokers, char **settings) {
    set(conf, "bootstrap.servers", brokers);
    for (; *settings; settings++) {
        char *equals = strchr(*settings, '=');
        if (!equals) fail(*settings, "is not name=value");
        *equals = 0;
        set(conf, *settings, equals + 1);
    }
    char why[512];
    rd_kafka_t *kafka = rd_kafka_new(type, conf, why, sizeof why);
    if (!kafka) fail(brokers, why);
    return kafka;
}

// What a record holds: bytes that compress as text does, a little different each time.
static char *payload(size_t bytes) {
    char *text = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++) text[i] = (char)('a' + i * 7 % 26);
    return text;
}

// MARK: produce

static atomic_long delivered, undelivered;
static double *due;
static double *latencies;

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque) {
    (void)kafka;
    (void)opaque;
    if (message->err) {
        if (undelivered++ == 0) fprintf(stderr, "rdkafka: %s\n", rd_kafka_err2str(message->err));
        return;
    }
    if (latencies) {
        size_t index = (size_t)(intptr_t)message->_private;
        latencies[index] = now_s() - due[index];
    }
    delivered++;
}

static void send_one(rd_kafka_t *kafka, rd_kafka_topic_t *topic, char *text, size_t bytes, intptr_t index) {
    memcpy(text, &index, bytes < sizeof index ? bytes : sizeof index);
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, text, bytes, NULL, 0, (void *)index)) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(kafka, 10);
    }
}

static void finish(rd_kafka_t *kafka, int64_t records) {
    if (rd_kafka_flush(kafka, TIMEOUT_MS) || delivered != records) fail("produce", "not everything was acknowledged");
}

static void produce(const char *brokers, const char *name, int64_t records, size_t bytes, char **settings) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *kafka = client(RD_KAFKA_PRODUCER, conf, brokers, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka, name, NULL);
    char *text = payload(bytes);
    // Connections and metadata are there before the clock starts.
    send_one(kafka, topic, text, bytes, 0);
    finish(kafka, 1);
    delivered = 0;
    begin();
    for (int64_t i = 0; i < records; i++) {
        send_one(kafka, topic, text, bytes, (intptr_t)i);
        if (i % 1000 == 0) rd_kafka_poll(kafka, 0);
    }
    finish(kafka, records);
    report(records, records * (int64_t)bytes);
    printf("\n");
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(kafka);
}

static int ascending(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static atomic_int isListening = 1;

// Hears of what was acknowledged, and sleeps in between, as a service does that has other things to do.
static void *listen_to(void *kafka) {
    while (isListening) rd_kafka_poll(kafka, 100);
    return NULL;
}

static void latency(const char *brokers, const char *name, double rate, double seconds, size_t bytes, char **settings) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *kafka = client(RD_KAFKA_PRODUCER, conf, brokers, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka, name, NULL);
    char *text = payload(bytes);
    send_one(kafka, topic, text, bytes, 0);
    finish(kafka, 1);
    delivered = 0;
    size_t count = (size_t)(rate * seconds);
    due = calloc(count, sizeof *due);
    latencies = calloc(count, sizeof *latencies);
    pthread_t listener;
    if (pthread_create(&listener, NULL, listen_to, kafka)) fail("latency", "no thread could be made");
    begin();
    for (size_t i = 0; i < count; i++) {
        due[i] = wall_from + (double)i / rate;
        for (double left; (left = due[i] - now_s()) > 0;) {
            struct timespec wait = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
            nanosleep(&wait, NULL);
        }
        send_one(kafka, topic, text, bytes, (intptr_t)i);
    }
    finish(kafka, (int64_t)count);
    isListening = 0;
    pthread_join(listener, NULL);
    report((int64_t)count, (int64_t)(count * bytes));
    qsort(latencies, count, sizeof *latencies, ascending);
    printf(" p50_us=%.0f p99_us=%.0f p999_us=%.0f max_us=%.0f\n", latencies[count / 2] * 1e6,
           latencies[count * 99 / 100] * 1e6, latencies[count * 999 / 1000] * 1e6, latencies[count - 1] * 1e6);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(kafka);
}

// MARK: consume

static rd_kafka_queue_t *start(rd_kafka_t *kafka, rd_kafka_topic_t *topic) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(kafka, 0, topic, &metadata, TIMEOUT_MS);
    if (error) fail("metadata", rd_kafka_err2str(error));
    int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (partitions <= 0 || partitions > PARTITIONS_MAX) fail("metadata", "the topic has no partitions, or too many");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka);
    for (int32_t partition = 0; partition < partitions; partition++)
        rd_kafka_consume_start_queue(topic, partition, RD_KAFKA_OFFSET_BEGINNING, queue);
    return queue;
}

static void consume(const char *brokers, const char *name, int64_t records, char **settings) {
    rd_kafka_t *kafka = client(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), brokers, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka, name, NULL);
    static rd_kafka_message_t *messages[BATCH_MAX];
    rd_kafka_queue_t *queue = start(kafka, topic);
    int64_t count = 0, bytes = 0;
    begin();
    while (count < records) {
        // It waits until there are as many as were asked for.
        size_t wanted = records - count < BATCH_MAX ? (size_t)(records - count) : BATCH_MAX;
        ssize_t got = rd_kafka_consume_batch_queue(queue, TIMEOUT_MS, messages, wanted);
        if (got <= 0) fail("consume", "nothing came");
        for (ssize_t i = 0; i < got; i++) {
            if (!messages[i]->err) {
                count++;
                bytes += (int64_t)messages[i]->len;
            }
            rd_kafka_message_destroy(messages[i]);
        }
    }
    report(count, bytes);
    printf("\n");
    // What is still in its queues is nobody's business: the process ends here. Not by _Exit, so that a preloaded library
    // can tell what it counted.
    exit(0);
}

static void stall(const char *brokers, const char *name, double seconds, char **settings) {
    rd_kafka_t *kafka = client(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), brokers, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka, name, NULL);
    start(kafka, topic);
    begin();
    struct timespec wait = {.tv_sec = (time_t)seconds};
    nanosleep(&wait, NULL);
    report(0, 0);
    printf("\n");
    fflush(stdout);
    _Exit(0);
}

int main(int argc, char **argv) {
    if (argc >= 6 && !strcmp(argv[1], "produce"))
        produce(argv[2], argv[3], atoll(argv[4]), (size_t)atoll(argv[5]), argv + 6);
    else if (argc >= 5 && !strcmp(argv[1], "consume"))
        consume(argv[2], argv[3], atoll(argv[4]), argv + 5);
    else if (argc >= 7 && !strcmp(argv[1], "latency"))
        latency(argv[2], argv[3], atof(argv[4]), atof(argv[5]), (size_t)atoll(argv[6]), argv + 7);
    else if (argc >= 5 && !strcmp(argv[1], "stall"))
        stall(argv[2], argv[3], atof(argv[4]), argv + 5);
    else
        fail("usage", "produce|consume|latency|stall BROKERS TOPIC ...; see the head of the source");
}
