// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import PrometheusText

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the operating system says of this process, by the names that Prometheus' own clients use, and what its control
/// group allows it.
struct ProcessMetrics: Sendable {
    private static let cpu = MetricFamily(
        "process_cpu_seconds_total", .counter, "Processor time, of user and system, that the process has used.")
    private static let resident = MetricFamily(
        "process_resident_memory_bytes", .gauge, "Memory of the process that is in RAM.")
    private static let virtual = MetricFamily(
        "process_virtual_memory_bytes", .gauge, "Address space of the process.")
    private static let openFiles = MetricFamily(
        "process_open_fds", .gauge, "File descriptors that are open: a partition has one and a connection another.")
    private static let maxFiles = MetricFamily(
        "process_max_fds", .gauge, "File descriptors that may be open.")
    private static let startTime = MetricFamily(
        "process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.")
    private static let threads = MetricFamily("process_threads", .gauge, "Threads of the process.")
    private static let memoryLimit = MetricFamily(
        "martlet_cgroup_memory_limit_bytes", .gauge,
        "Memory that the control group of the process may use; absent without a limit.")
    private static let memoryUsage = MetricFamily(
        "martlet_cgroup_memory_usage_bytes", .gauge,
        "Memory that the control group uses, page cache included; absent without control groups.")
    private static let cpuLimit = MetricFamily(
        "martlet_cgroup_cpu_limit_cores", .gauge, "Processors that the control group may use; absent without a limit.")
    private static let throttled = MetricFamily(
        "martlet_cgroup_cpu_throttled_seconds_total", .counter,
        "Time in which the control group was kept from running, having used up its share.")
    private static let buildInfo = MetricFamily(
        "martlet_build_info", .gauge, "Always 1; the labels say what runs.", labels: ["version", "swift", "optimized"])

    /// All of them.
    static let families = [
        cpu, resident, virtual, openFiles, maxFiles, startTime, threads, memoryLimit, memoryUsage, cpuLimit, throttled,
        buildInfo,
    ]

    /// Wall-clock milliseconds.
    let startedAtMs: Int64
    let version: String

    /// Asks the system and writes what it says. What it does not say is left out.
    func write(to page: inout MetricsPage) {
        page.write(Self.buildInfo) { $0.add([self.version, Self.swiftVersion, Self.isOptimized ? "yes" : "no"], 1) }
        page.write(Self.startTime, Double(self.startedAtMs) / 1_000)
        page.write(Self.cpu, Self.cpuSeconds)
        let pageSize = sysconf(Int32(_SC_PAGESIZE))
        let sizes = Self.words(of: "/proc/self/statm").prefix(2).map { (Int($0) ?? 0) * pageSize }
        if sizes.count == 2 {
            page.write(Self.virtual, sizes[0])
            page.write(Self.resident, sizes[1])
        }
        if let count = Self.openFileCount { page.write(Self.openFiles, count) }
        page.write(Self.maxFiles, ProcessLimits.openFilesMax)
        if let threads = Self.threadCount { page.write(Self.threads, threads) }
        let group = ControlGroup()
        if let limit = group.memoryLimit { page.write(Self.memoryLimit, limit) }
        if let usage = group.memoryUsage { page.write(Self.memoryUsage, usage) }
        if let cores = group.cores { page.write(Self.cpuLimit, cores) }
        if let seconds = group.throttledSeconds { page.write(Self.throttled, seconds) }
    }

    private static var cpuSeconds: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static var openFileCount: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Without itself, `.` and `..`.
        return count - 3
    }

    private static var threadCount: Int? {
        let line = SmallText.read("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix("Threads:") }
        return line.flatMap { Int($0.drop { !$0.isNumber }) }
    }

    private static func words(of path: String) -> [Substring] { SmallText.read(path)?.split(separator: " ") ?? [] }

    #if DEBUG
    private static let isOptimized = false
    #else
    private static let isOptimized = true
    #endif

    #if swift(>=6.3)
    private static let swiftVersion = "6.3"
    #else
    private static let swiftVersion = "6.2"
    #endif
}

/// What a control group says of itself, in the layout of version 2; of version 1 the limit and use of memory.
private struct ControlGroup {
    private let path: String

    init() {
        // `0::/system.slice/martlet.service`. In a container the group is mostly shown as the root.
        let own = SmallText.read("/proc/self/cgroup")?.split(separator: "\n").first { $0.hasPrefix("0::") }?.dropFirst(
            3)
        let candidate = "/sys/fs/cgroup\(own.map(String.init) ?? "")"
        self.path = SmallText.read("\(candidate)/memory.max") == nil ? "/sys/fs/cgroup" : candidate
    }

    private func number(_ file: String) -> Int? {
        SmallText.read("\(self.path)/\(file)").flatMap { Int($0.prefix { $0.isNumber }) }
    }

    var memoryLimit: Int? {
        guard let limit = self.number("memory.max") ?? self.number("memory/memory.limit_in_bytes") else { return nil }
        // Version 1 says "no limit" by a number near the largest.
        return limit < 1 << 60 ? limit : nil
    }

    var memoryUsage: Int? { self.number("memory.current") ?? self.number("memory/memory.usage_in_bytes") }

    /// `50000 100000`: microseconds of each so many.
    var cores: Double? {
        let words = SmallText.read("\(self.path)/cpu.max")?.split { $0 == " " || $0 == "\n" }.map { Double($0) } ?? []
        guard words.count == 2, let quota = words[0], let period = words[1], period > 0 else { return nil }
        return quota / period
    }

    var throttledSeconds: Double? {
        let line = SmallText.read("\(self.path)/cpu.stat")?.split(separator: "\n").first {
            $0.hasPrefix("throttled_usec ")
        }
        return line.flatMap { Double($0.dropFirst("throttled_usec ".count)) }.map { $0 / 1e6 }
    }
}

/// Small files of /proc and /sys, which are not on a disk.
enum SmallText {
    /// Bytes that are read at the most.
    private static let byteCountMax = 16 << 10

    /// The beginning of a file; nil when it cannot be read.
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Self.byteCountMax)
        var count = 0
        while count < bytes.count {
            let readCount = bytes.withUnsafeMutableBytes { buffer in
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                return systemRead(descriptor, rest.baseAddress, rest.count)
            }
            if readCount <= 0 { break }
            count += readCount
        }
        return count == 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }
}

/// `read` of the C library.
private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}
