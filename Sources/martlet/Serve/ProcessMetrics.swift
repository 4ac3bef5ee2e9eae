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
        let group = ControlGroup(read: KernelFile.text)
        if let limit = group.memoryBytes { page.write(Self.memoryLimit, limit) }
        if let usage = group.memoryUsedBytes { page.write(Self.memoryUsage, usage) }
        if let processors = group.processors { page.write(Self.cpuLimit, processors) }
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
        let line = KernelFile.text("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix("Threads:") }
        return line.flatMap { Int($0.drop { !$0.isNumber }) }
    }

    private static func words(of path: String) -> [Substring] { KernelFile.text(path)?.split(separator: " ") ?? [] }

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
