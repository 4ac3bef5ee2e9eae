// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// Members of consumer groups that speak just enough of the protocol to keep a coordinator busy.
//
//   groups beat ADDRESS TOPIC PROTOCOL GROUPS MEMBERS INTERVAL_MS SECONDS
//                     so many groups of so many members each join, then every member heartbeats at that interval, each at
//                     its own time. PROTOCOL is classic or consumer (KIP-848). Prints the latencies of the heartbeats,
//                     each from the time it was due.
//   groups rebalance ADDRESS TOPIC MEMBERS
//                     members of one consumer group join at once and heartbeat until every one of them is in the same
//                     epoch and has what it is to have. Prints how long that took and how many heartbeats.
//   groups commit ADDRESS TOPIC GROUPS CONNECTIONS IN_FLIGHT SECONDS
//                     commits of one partition each, for groups in turn, so many under way on each connection. Prints
//                     commits a second and their latencies.
//
// ADDRESS is an IPv4 address and a port. One process and one thread; the members of a group are spread over connections.

#include "kafka.h"
#include "latency.h"

#include <poll.h>

enum {
    key_offset_commit = 8, key_find_coordinator = 10, key_join = 11, key_heartbeat = 12, key_sync = 14,
    key_consumer_heartbeat = 68,
    connections_max = 64,
    under_way_max = 65536, // requests on one connection
    name_max = 48,
    owned_max = 65536,     // bytes of a member's assignment
};

static const int32_t session_timeout_ms = 30000;

struct member {
    char group[name_max], id[name_max * 2];
    int32_t epoch; // or generation
    uint8_t *owned; // the assignment as it came: an array of topics with partitions
    size_t owned_count;
    int tells_owned; // the next heartbeat says what it has
    int64_t due_ns;
};

struct under_way { int32_t member; int64_t began_ns; };

struct connection {
    int socket;
    struct answer answer;
    struct under_way *queue;
    uint32_t sent, answered;
};

static struct connection connections[connections_max];
static int32_t connection_count;
static struct latency latency;

static void open_connections(const char *address, int32_t count)
{
    if (count > connections_max) fail("at most %d connections", connections_max);
    connection_count = count;
    for (int32_t i = 0; i < count; i++) {
        connections[i].socket = connect_to(address);
        connections[i].queue = calloc(under_way_max, sizeof *connections[i].queue);
        if (!connections[i].queue) fail("out of memory");
    }
}

static void send_frame(struct connection *connection, struct frame *frame, int32_t member, int64_t began_ns)
{
    if (connection->sent - connection->answered >= under_way_max) fail("too many requests under way");
    connection->queue[connection->sent++ % under_way_max] = (struct under_way){member, began_ns};
    finish(frame, 0);
    send_all(connection->socket, &(struct iovec){frame->bytes, frame->count}, 1);
}

static struct under_way receive(struct connection *connection)
{
    struct under_way request = connection->queue[connection->answered % under_way_max];
    if (!next_answer(connection->socket, &connection->answer, (int32_t)connection->answered))
        fail("the broker closed the connection");
    connection->answered++;
    return request;
}

static void begin_next(struct connection *connection, struct frame *frame, int16_t key, int16_t version)
{
    begin(frame, key, version, (int32_t)connection->sent);
}

static void find_coordinator(const char *group)
{
    struct frame frame;
    // The first one makes the topic that groups are kept in; a coordinator that is still loading says so later.
    begin_next(&connections[0], &frame, key_find_coordinator, 0);
    put_string(&frame, group);
    send_frame(&connections[0], &frame, 0, 0);
    receive(&connections[0]);
    int16_t error = take16(&connections[0].answer);
    if (error) fail("FindCoordinator was answered with error %d", error);
}

// MARK: Classic groups

static void send_join(struct connection *connection, const struct member *member, int32_t number, const char *topic)
{
    struct frame frame;
    begin_next(connection, &frame, key_join, 1);
    put_string(&frame, member->group);
    put32(&frame, session_timeout_ms);
    put32(&frame, session_timeout_ms);
    put_string(&frame, "");
    put_string(&frame, "consumer");
    put32(&frame, 1);
    put_string(&frame, "range");
    size_t length = 2 + 4 + 2 + strlen(topic) + 4;
    put32(&frame, (int32_t)length); // a subscription of version 0
    put16(&frame, 0);
    put32(&frame, 1);
    put_string(&frame, topic);
    put32(&frame, -1);
    send_frame(connection, &frame, number, 0);
}

static int take_joined(struct connection *connection, struct member *member)
{
    struct answer *answer = &connection->answer;
    int16_t error = take16(answer);
    if (error) fail("JoinGroup of %s was answered with error %d", member->group, error);
    member->epoch = take32(answer);
    skip_string(answer);
    int16_t leader_length = take16(answer);
    const uint8_t *leader = take(answer, (size_t)leader_length);
    int16_t length = take16(answer);
    if ((size_t)length >= sizeof member->id) fail("a member id of %d bytes", length);
    const uint8_t *id = take(answer, (size_t)length);
    memcpy(member->id, id, (size_t)length);
    member->id[length] = 0;
    return leader_length == length && !memcmp(leader, id, (size_t)length);
}

static void send_sync(struct connection *connection, const struct member *member, int32_t number, int is_leader)
{
    struct frame frame;
    begin_next(connection, &frame, key_sync, 0);
    put_string(&frame, member->group);
    put32(&frame, member->epoch);
    put_string(&frame, member->id);
    put32(&frame, is_leader ? 1 : 0);
    if (is_leader) {
        put_string(&frame, member->id);
        put32(&frame, 10); // an assignment of version 0 without topics
        put16(&frame, 0);
        put32(&frame, 0);
        put32(&frame, -1);
    }
    send_frame(connection, &frame, number, 0);
}

static void join_classic(struct member *members, int32_t groups, int32_t per_group, const char *topic)
{
    enum { wave = 50 }; // a connection with a join under way answers nothing else
    for (int32_t first = 0; first < groups; first += wave) {
        int32_t last = first + wave < groups ? first + wave : groups;
        static uint8_t leads[wave * connections_max];
        for (int32_t group = first; group < last; group++)
            for (int32_t m = 0; m < per_group; m++)
                send_join(&connections[m], &members[group * per_group + m], group * per_group + m, topic);
        for (int32_t group = first; group < last; group++)
            for (int32_t m = 0; m < per_group; m++) {
                struct under_way request = receive(&connections[m]);
                leads[(group - first) * per_group + m] =
                    (uint8_t)take_joined(&connections[m], &members[request.member]);
            }
        for (int32_t group = first; group < last; group++)
            for (int32_t m = 0; m < per_group; m++) {
                int32_t number = group * per_group + m;
                send_sync(&connections[m], &members[number], number, leads[(group - first) * per_group + m]);
            }
        for (int32_t group = first; group < last; group++)
            for (int32_t m = 0; m < per_group; m++) {
                receive(&connections[m]);
                int16_t error = take16(&connections[m].answer);
                if (error) fail("SyncGroup was answered with error %d", error);
            }
    }
}

static void send_classic_beat(struct connection *connection, const struct member *member, int32_t number, int64_t due_ns)
{
    struct frame frame;
    begin_next(connection, &frame, key_heartbeat, 0);
    put_string(&frame, member->group);
    put32(&frame, member->epoch);
    put_string(&frame, member->id);
    send_frame(connection, &frame, number, due_ns);
}

// MARK: Consumer groups

static void put_varint(struct frame *frame, uint32_t value)
{
    for (; value >= 0x80; value >>= 7) put8(frame, (int8_t)(value | 0x80));
    put8(frame, (int8_t)value);
}

static void put_compact(struct frame *frame, const char *text)
{
    put_varint(frame, (uint32_t)strlen(text) + 1);
    put(frame, text, strlen(text));
}

static uint32_t take_varint(struct answer *answer)
{
    uint32_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        uint8_t byte = *take(answer, 1);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    fail("a number of more than five bytes");
}

static void send_consumer_beat(struct connection *connection, struct member *member, int32_t number, int64_t due_ns,
                               const char *topic)
{
    // What it has may be long, so it follows the frame.
    struct frame frame, tail;
    tail.count = 0;
    begin_next(connection, &frame, key_consumer_heartbeat, 0);
    put8(&frame, 0); // no tagged fields in the header
    put_compact(&frame, member->group);
    put_compact(&frame, member->id);
    put32(&frame, member->epoch);
    put_varint(&frame, 0); // no instance id
    put_varint(&frame, 0); // no rack
    int joins = member->epoch == 0;
    put32(&frame, joins ? 60000 : -1);
    if (joins) {
        put_varint(&frame, 2);
        put_compact(&frame, topic);
    } else {
        put_varint(&frame, 0);
    }
    put_varint(&frame, 0); // any assignor
    size_t owned = 0;
    if (joins) put_varint(&frame, 1);
    else if (member->tells_owned) owned = member->owned_count;
    else put_varint(&frame, 0);
    put8(&tail, 0);
    if (connection->sent - connection->answered >= under_way_max) fail("too many requests under way");
    connection->queue[connection->sent++ % under_way_max] = (struct under_way){number, due_ns};
    finish(&frame, owned + tail.count);
    struct iovec parts[] = {{frame.bytes, frame.count}, {member->owned, owned}, {tail.bytes, tail.count}};
    send_all(connection->socket, parts, 3);
    member->tells_owned = 0;
}

// Returns the number of partitions that the answer assigns, -1 when it says nothing of them.
static int32_t take_consumer_beat(struct connection *connection, struct member *member)
{
    struct answer *answer = &connection->answer;
    if (*take(answer, 1)) fail("tagged fields in a response header");
    take32(answer); // throttle time
    int16_t error = take16(answer);
    uint32_t length = take_varint(answer);
    const uint8_t *text = length > 1 ? take(answer, length - 1) : (const uint8_t *)"";
    if (error) fail("ConsumerGroupHeartbeat was answered with error %d: %.*s", error, (int)length - 1, text);
    length = take_varint(answer);
    if (length > sizeof member->id) fail("a member id of %u bytes", length);
    if (length > 1) {
        memcpy(member->id, take(answer, length - 1), length - 1);
        member->id[length - 1] = 0;
    }
    member->epoch = take32(answer);
    take32(answer); // heartbeat interval
    if (*(const int8_t *)take(answer, 1) < 0) return -1;
    size_t start = answer->position;
    int32_t partitions = 0;
    for (uint32_t topics = take_varint(answer); topics > 1; topics--) {
        take(answer, 16);
        uint32_t count = take_varint(answer);
        take(answer, 4 * (size_t)(count - 1));
        partitions += (int32_t)count - 1;
        take(answer, 1);
    }
    member->owned_count = answer->position - start;
    if (member->owned_count > owned_max) fail("an assignment of %zu bytes", member->owned_count);
    member->owned = realloc(member->owned, member->owned_count);
    if (!member->owned) fail("out of memory");
    memcpy(member->owned, answer->bytes + start, member->owned_count);
    member->tells_owned = 1;
    return partitions;
}

// One heartbeat of every member, many of them under way; the number of partitions assigned so far in `has`.
static void beat_once(struct member *members, int32_t count, const char *topic, int32_t *has)
{
    for (int32_t first = 0; first < count; first += connection_count) {
        int32_t last = first + connection_count < count ? first + connection_count : count;
        for (int32_t i = first; i < last; i++)
            send_consumer_beat(&connections[i % connection_count], &members[i], i, 0, topic);
        for (int32_t i = first; i < last; i++) {
            struct connection *connection = &connections[i % connection_count];
            receive(connection);
            int32_t partitions = take_consumer_beat(connection, &members[i]);
            if (partitions >= 0) has[i] = partitions;
        }
    }
}

// Beats until nobody is told anything new for a whole round. Returns the number of heartbeats.
static long long converge(struct member *members, int32_t count, const char *topic, long long *partitions)
{
    enum { rounds_max = 1000 };
    int32_t *has = calloc((size_t)count, sizeof *has);
    if (!has) fail("out of memory");
    for (int round = 1; round <= rounds_max; round++) {
        beat_once(members, count, topic, has);
        int settled = 1;
        *partitions = 0;
        for (int32_t i = 0; i < count; i++) {
            // Members of other groups have epochs of their own.
            int same = i == 0 || strcmp(members[i].group, members[i - 1].group) || members[i].epoch == members[i - 1].epoch;
            if (members[i].tells_owned || !same) settled = 0;
            *partitions += has[i];
        }
        if (settled) {
            free(has);
            return (long long)round * count;
        }
    }
    fail("the members have not settled after %d heartbeats of each", rounds_max);
}

// MARK: Commands

static struct member *make_members(int32_t groups, int32_t per_group)
{
    struct member *members = calloc((size_t)groups * (size_t)per_group, sizeof *members);
    if (!members) fail("out of memory");
    for (int32_t i = 0; i < groups * per_group; i++) snprintf(members[i].group, name_max, "bench-group-%d", i / per_group);
    return members;
}

static void receive_ready(struct member *members, int is_consumer, int timeout_ms)
{
    struct pollfd polls[connections_max];
    for (int32_t i = 0; i < connection_count; i++)
        polls[i] = (struct pollfd){.fd = connections[i].socket, .events = POLLIN};
    if (poll(polls, (nfds_t)connection_count, timeout_ms) <= 0) return;
    for (int32_t i = 0; i < connection_count; i++) {
        if (!polls[i].revents) continue;
        struct under_way request = receive(&connections[i]);
        latency_add(&latency, monotonic_ns() - request.began_ns);
        if (is_consumer) {
            take_consumer_beat(&connections[i], &members[request.member]);
        } else {
            int16_t error = take16(&connections[i].answer);
            if (error) fail("Heartbeat was answered with error %d", error);
        }
    }
}

static void beat(const char *address, const char *topic, const char *protocol, int32_t groups, int32_t per_group,
                 long long interval_ms, long long seconds)
{
    int is_consumer = !strcmp(protocol, "consumer");
    if (!is_consumer && strcmp(protocol, "classic")) fail("PROTOCOL: classic or consumer, not '%s'", protocol);
    open_connections(address, per_group);
    struct member *members = make_members(groups, per_group);
    find_coordinator(members[0].group);
    int32_t count = groups * per_group;
    long long partitions = 0;
    if (is_consumer) converge(members, count, topic, &partitions);
    else join_classic(members, groups, per_group, topic);
    printf("joined members=%d\n", count);
    fflush(stdout);
    getchar(); // whoever measures says when to begin

    int64_t start = monotonic_ns(), end = start + seconds * 1000000000, interval_ns = interval_ms * 1000000;
    for (int32_t i = 0; i < count; i++) members[i].due_ns = start + interval_ns / count * i;
    long long sent = 0;
    for (int32_t next = 0;;) {
        int64_t now = monotonic_ns();
        if (now >= end) break;
        if (members[next].due_ns <= now) {
            struct connection *connection = &connections[next % per_group];
            if (is_consumer) send_consumer_beat(connection, &members[next], next, members[next].due_ns, topic);
            else send_classic_beat(connection, &members[next], next, members[next].due_ns);
            members[next].due_ns += interval_ns;
            next = (next + 1) % count;
            sent++;
            receive_ready(members, is_consumer, 0);
        } else {
            receive_ready(members, is_consumer, 1);
        }
    }
    while (latency.count < sent) receive_ready(members, is_consumer, 1000);
    printf("beat heartbeats=%lld wall_s=%.3f per_s=%.0f ", sent, (double)seconds, (double)sent / (double)seconds);
    latency_print(&latency);
    putchar('\n');
}

static void rebalance(const char *address, const char *topic, int32_t count)
{
    open_connections(address, 16);
    struct member *members = make_members(1, count);
    find_coordinator(members[0].group);
    int64_t start = monotonic_ns();
    long long partitions, heartbeats = converge(members, count, topic, &partitions);
    printf("rebalance members=%d partitions=%lld heartbeats=%lld wall_s=%.3f\n", count, partitions, heartbeats,
           (double)(monotonic_ns() - start) / 1e9);
}

static void send_commit(struct connection *connection, const char *topic, int32_t group, int64_t offset)
{
    struct frame frame;
    char name[name_max];
    snprintf(name, sizeof name, "bench-commit-%d", group);
    begin_next(connection, &frame, key_offset_commit, 2);
    put_string(&frame, name);
    put32(&frame, -1); // no generation
    put_string(&frame, "");
    put64(&frame, -1); // kept as long as the broker does
    put32(&frame, 1);
    put_string(&frame, topic);
    put32(&frame, 1);
    put32(&frame, 0);
    put64(&frame, offset);
    put_string(&frame, "");
    send_frame(connection, &frame, group, monotonic_ns());
}

static void take_committed(struct connection *connection)
{
    struct under_way request = receive(connection);
    latency_add(&latency, monotonic_ns() - request.began_ns);
    struct answer *answer = &connection->answer;
    if (take32(answer) != 1) fail("OffsetCommit was answered without the topic");
    skip_string(answer);
    if (take32(answer) != 1) fail("OffsetCommit was answered without the partition");
    take32(answer);
    int16_t error = take16(answer);
    if (error) fail("OffsetCommit was answered with error %d", error);
}

static void commit(const char *address, const char *topic, int32_t groups, int32_t count, int32_t in_flight, long long seconds)
{
    open_connections(address, count);
    find_coordinator("bench-commit-0");
    int64_t start = monotonic_ns(), end = start + seconds * 1000000000, offset = 0;
    int32_t group = 0;
    for (int32_t i = 0; i < count; i++)
        for (int32_t n = 0; n < in_flight; n++) send_commit(&connections[i], topic, group++ % groups, offset++);
    struct pollfd polls[connections_max];
    for (int32_t i = 0; i < count; i++) polls[i] = (struct pollfd){.fd = connections[i].socket, .events = POLLIN};
    int is_sending = 1;
    for (long long left = (long long)count * in_flight; left > 0;) {
        poll(polls, (nfds_t)count, -1);
        if (monotonic_ns() >= end) is_sending = 0;
        for (int32_t i = 0; i < count; i++) {
            if (!polls[i].revents) continue;
            take_committed(&connections[i]);
            if (is_sending) send_commit(&connections[i], topic, group++ % groups, offset++);
            else left--;
        }
    }
    double wall = (double)(monotonic_ns() - start) / 1e9;
    printf("commit commits=%lld wall_s=%.3f per_s=%.0f ", latency.count, wall, (double)latency.count / wall);
    latency_print(&latency);
    putchar('\n');
}

int main(int count, char **arguments)
{
    const char *command = count > 1 ? arguments[1] : "";
    if (!strcmp(command, "beat") && count == 9) {
        beat(arguments[2], arguments[3], arguments[4], (int32_t)positive(arguments[5], "GROUPS"),
             (int32_t)positive(arguments[6], "MEMBERS"), positive(arguments[7], "INTERVAL_MS"),
             positive(arguments[8], "SECONDS"));
    } else if (!strcmp(command, "rebalance") && count == 5) {
        rebalance(arguments[2], arguments[3], (int32_t)positive(arguments[4], "MEMBERS"));
    } else if (!strcmp(command, "commit") && count == 8) {
        commit(arguments[2], arguments[3], (int32_t)positive(arguments[4], "GROUPS"),
               (int32_t)positive(arguments[5], "CONNECTIONS"), (int32_t)positive(arguments[6], "IN_FLIGHT"),
               positive(arguments[7], "SECONDS"));
    } else {
        fail("usage: groups beat|rebalance|commit …, see the head of groups.c");
    }
    return 0;
}
