// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// CPU time as the system counts it at one moment, in seconds from some beginning.
struct MachineUsage: Sendable {
    /// Of this process.
    var client = 0.0
    /// Of each of its threads; empty where the system does not tell.
    var threads: [Int32: Double] = [:]
    /// Of brokers on this machine; nil when none is known.
    var broker: Double?
    /// Of the whole machine; nil where the system does not tell.
    var busy: Double?
    /// Nanoseconds of the clock.
    var at: Int64 = 0

    /// What there is now. Reads a file for each thread: call it now and then.
    static func now(brokers: [Int32]) -> MachineUsage {
        var usage = MachineUsage(client: Self.processSeconds, at: MonotonicClock.now)
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        for task in tasks.compactMap(Int32.init) {
            usage.threads[task] = Self.seconds(ofStat: Self.text("/proc/self/task/\(task)/stat"))
        }
        let times = brokers.compactMap { Self.seconds(ofStat: Self.text("/proc/\($0)/stat")) }
        usage.broker = times.isEmpty ? nil : times.reduce(0, +)
        usage.busy = Self.busySeconds(ofStat: Self.text("/proc/stat"))
        return usage
    }

    /// User and system time of this process: cheap.
    static var processSeconds: Double {
        var usage = rusage()
        #if canImport(Glibc)
        // glibc has an enumeration for it, and a function that takes a number.
        getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
        #else
        getrusage(RUSAGE_SELF, &usage)
        #endif
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    /// Fields 14 and 15 of /proc/…/stat, counted from 1: ticks in user and in system mode. The second field is a name
    /// in brackets that may hold anything.
    static func seconds(ofStat text: String?) -> Double? {
        guard let text, let bracket = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: bracket)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return (user + system) / Self.ticksPerSecond
    }

    /// The first line of /proc/stat: all ticks but those of idling and of waiting for disks, fields 4 and 5. The time
    /// that other machines of the same host took is neither.
    static func busySeconds(ofStat text: String?) -> Double? {
        let line = text?.split(separator: "\n").first { $0.hasPrefix("cpu ") }
        guard let fields = line?.split(separator: " ").dropFirst().compactMap({ Double($0) }), fields.count >= 7 else {
            return nil
        }
        return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / Self.ticksPerSecond
    }

    private static let ticksPerSecond = Double(max(sysconf(Int32(_SC_CLK_TCK)), 1))

    /// Processors of this machine that are in use.
    static var cores: Int { max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1) }

    static func text(_ path: String) -> String? {
        // Files of /proc have no size: they are read to their end.
        guard let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? file.close() }
        return (try? file.readToEnd()).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
    }
}

extension BenchReport.Machine {
    /// A thread that is this busy has no time left, and so much of the machine is as good as all of it.
    static let full = 0.9

    /// What was used between two moments, and whether that is what kept the load from being higher.
    ///
    /// - Parameters:
    ///   - waited: see `producersWaited`.
    ///   - isPaced: the load had a rate, and `kept` tells whether it was reached.
    init(from: MachineUsage, to: MachineUsage, cores: Int, waited: Double?, kept: Bool?) {
        let seconds = max(Double(to.at - from.at) / 1e9, 1e-9)
        let busiest = to.threads.map { thread, time in (time - (from.threads[thread] ?? 0)) / seconds }.max()
        let broker = from.broker.flatMap { before in to.broker.map { ($0 - before) / seconds } }
        let busy = from.busy.flatMap { before in to.busy.map { ($0 - before) / seconds } }
        let client = (to.client - from.client) / seconds
        let isThreadFull = (busiest ?? client) >= Self.full
        let isMachineFull = (busy ?? 0) >= Self.full * Double(cores)
        self.init(
            cores: cores, clientCores: client, busiestThread: busiest.map { min($0, 1) }, brokerCores: broker,
            busyCores: busy, producersWaited: waited, clientWasBottleneck: false, verdict: "")
        switch (kept, isThreadFull, isMachineFull) {
        case (true, _, _):
            self.verdict = "the load was sent at the rate asked for: the client was not the bottleneck"
        case (_, true, _):
            self.clientWasBottleneck = true
            self.verdict =
                "one thread of the client had no time left: the client was the bottleneck; more producers or"
                + " consumers, or a second client, may get more out of the cluster"
        case (_, false, true) where (busy ?? 0) - client - (broker ?? 0) > max(client, broker ?? 0):
            let others = Int((((busy ?? 0) - client - (broker ?? 0)) / max(busy ?? 1, 1e-9) * 100).rounded())
            self.verdict =
                "this machine had no time left, and \(others) % of it went to other programs: the figures tell little"
        case (_, false, true):
            self.clientWasBottleneck = client > (broker ?? 0)
            let share = Int((client / max(busy ?? 1, 1e-9) * 100).rounded())
            self.verdict =
                "this machine had no time left, \(share) % of it went to the client"
                + (self.clientWasBottleneck ? ", more than to the broker: the client was the bottleneck" : "")
        case (_, false, false):
            self.verdict = "the client had time left: it was not the bottleneck"
        }
    }
}
