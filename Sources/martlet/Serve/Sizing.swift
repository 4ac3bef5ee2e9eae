// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What this process may use.
struct MachineLimits: Equatable {
    /// Bytes: the memory of the machine, or what the control group allows of it.
    var memoryBytes: Int
    /// Processor seconds per second.
    var processors: Double
    /// Files that may be open at a time.
    var openFiles: Int
    /// What limits memory and processors more than the machine does, for the log: "cgroup" or nothing.
    var isMemoryLimited = false
    /// Whether a quota limits the processors.
    var areProcessorsLimited = false
}

/// How large the broker makes its buffers and how many threads it starts, by what it may use.
///
/// Of the memory of a small container a quarter at most goes to requests and their leftovers, as much to the buffers of
/// sockets, and the rest is for the program itself, for what it keeps per partition, group and connection, and for the
/// page cache, without which every read and write waits for the disk. A value without IO.
struct Sizing: Equatable {
    /// Bytes: with this much memory and more nothing is made smaller.
    static let roomyMemory = 1 << 30

    /// For `num.network.threads` and so on, by Kafka's names; whoever sets a config himself wins.
    private(set) var configs: [String: String] = [:]
    /// Threads that wait for the disk on behalf of fetches; what is in memory is found without them.
    private(set) var readerThreads: Int
    /// Bytes that are read of a socket at a time, at most. nil: the server's own bound.
    private(set) var readAheadBytes: Int?
    /// Bytes of a file of the journal. nil: the journal's own size.
    private(set) var journalFileBytes: Int64?
    /// Bytes: buffers of requests up to this size are kept by the allocator instead of given back to the system.
    private(set) var keptBufferBytes = 4 << 20
    /// Pools of the allocator that threads are spread over, each with leftovers of its own. nil: the C library's choice,
    /// eight for each processor.
    private(set) var allocatorArenas: Int?

    /// Decides.
    init(_ machine: MachineLimits) {
        let threads = max(1, Int(machine.processors.rounded(.up)))
        self.readerThreads = machine.processors <= 1 ? 1 : 2
        self.configs["num.network.threads"] = "\(threads)"
        self.configs["num.io.threads"] = "\(threads)"
        let memory = machine.memoryBytes
        var connections = machine.openFiles - Self.filesForLogs(of: machine.openFiles)
        if memory < Self.roomyMemory {
            connections = min(connections, memory / Self.memoryPerConnection)
            self.shrink(to: memory, threads: threads)
        }
        self.configs["max.connections"] = "\(max(1, connections))"
    }

    /// How many of the open files are kept for logs, the journal, metadata and the broker's own machinery: connections
    /// must not take the one that the next segment needs.
    private static func filesForLogs(of openFiles: Int) -> Int {
        min(max(openFiles / 2, 32), 4_096)
    }

    /// Bytes of memory that must be there for each connection: what the broker and the kernel keep for a busy one.
    private static let memoryPerConnection = 256 << 10

    private mutating func shrink(to memory: Int, threads: Int) {
        func part(_ divisor: Int, _ range: ClosedRange<Int>) -> Int {
            min(max(memory / divisor, range.lowerBound), range.upperBound)
        }
        // A request of the usual largest size (max.message.bytes) must fit, whatever the memory.
        self.configs["socket.request.max.bytes"] = "\(part(8, (2 << 20)...(100 << 20)))"
        self.configs["queued.max.request.bytes"] = "\(part(8, (4 << 20)...(128 << 20)))"
        self.configs["log.cleaner.dedupe.buffer.size"] = "\(part(16, (1 << 20)...(16 << 20)))"
        self.keptBufferBytes = part(512, (128 << 10)...(4 << 20))
        self.allocatorArenas = min(2 * threads, 8)
        guard memory < Self.roomyMemory / 2 else { return }
        // The kernel doubles these for its own bookkeeping; left alone it takes up to 4 MiB for a slow reader.
        let socketBytes = part(1_024, (32 << 10)...(512 << 10))
        self.configs["socket.send.buffer.bytes"] = "\(socketBytes)"
        self.configs["socket.receive.buffer.bytes"] = "\(socketBytes)"
        self.readAheadBytes = part(1_024, (16 << 10)...(1 << 20))
        self.journalFileBytes = Int64(part(4, (8 << 20)...(64 << 20)))
    }
}
