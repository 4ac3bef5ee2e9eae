// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the process asks of the system before it serves.
enum ProcessLimits {
    /// Raises the number of files that may be open to what the system allows: every partition holds one and every
    /// connection another, and the usual soft limit of 1,024 is soon reached.
    ///
    /// Returns the limit that is in force.
    static func raiseOpenFiles() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    /// The number of files that may be open now; 0 when the system does not say.
    static var openFilesMax: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Lets the allocator keep the memory of requests for the next ones, as far as there is room. By default it takes
    /// buffers above 128 KiB from the system and gives them back each time, and every page of them costs a fault.
    static func tuneAllocator(_ sizing: Sizing) {
        #if canImport(Glibc)
        _ = mallopt(Self.mmapThreshold, Int32(clamping: sizing.keptBufferBytes))
        _ = mallopt(Self.trimThreshold, Int32(clamping: 2 * sizing.keptBufferBytes))
        if let arenas = sizing.allocatorArenas { _ = mallopt(Self.arenaMax, Int32(clamping: arenas)) }
        #endif
    }

    #if canImport(Glibc)
    /// M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_ARENA_MAX of malloc.h.
    private static let mmapThreshold: Int32 = -3
    private static let trimThreshold: Int32 = -1
    private static let arenaMax: Int32 = -8
    #endif
}

extension MachineLimits {
    /// What this process may use now. Raises the limit of open files first.
    static func current() -> MachineLimits {
        let group = ControlGroup(read: KernelFile.text)
        let pages = Int(sysconf(Int32(_SC_PHYS_PAGES)))
        let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
        let (installed, overflow) = max(0, pages).multipliedReportingOverflow(by: max(0, pageSize))
        let machine = overflow || installed == 0 ? Int.max : installed
        let tied = KernelFile.text("/proc/self/status").flatMap { Self.processorsAllowed($0) }
        let processors = Double(min(ProcessEnvironment.processorCount, tied ?? .max))
        return MachineLimits(
            memoryBytes: min(machine, group.memoryBytes ?? machine),
            processors: min(processors, group.processors ?? processors),
            openFiles: ProcessLimits.raiseOpenFiles(),
            isMemoryLimited: group.memoryBytes.map { $0 < machine } ?? false,
            areProcessorsLimited: group.processors.map { $0 < processors } ?? false
        )
    }

    /// To how many processors a process is tied, by the text of its `/proc/…/status`: a mask in hexadecimal with commas.
    static func processorsAllowed(_ status: String) -> Int? {
        let name = "Cpus_allowed:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        let count = line.dropFirst(name.count).compactMap { $0.hexDigitValue?.nonzeroBitCount }.reduce(0, +)
        return count > 0 ? count : nil
    }
}

#if canImport(Glibc)
/// Of the C library; Swift's view of its headers leaves it out.
@_silgen_name("mallopt")
private func mallopt(_ parameter: Int32, _ value: Int32) -> Int32
#endif
