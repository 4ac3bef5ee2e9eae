// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What this machine, or container, says about itself. Nil where it does not say.
struct HostFacts: Sendable {
    /// Files that a process may open: the limit in force, and how far it may raise it itself, as the broker does.
    var openFilesSoft: Int64?
    var openFilesHard: Int64?
    /// Bytes of memory of the machine.
    var memoryTotal: Int64?
    /// Bytes that the control group allows; nil without a limit.
    var memoryLimit: Int64?
    var clock: ClockState?
    /// `/proc/self/mounts`.
    var mounts = ""

    /// What the kernel knows of its clock.
    struct ClockState: Sendable, Hashable {
        /// Something keeps it right: NTP, PTP, the hypervisor's guest agent.
        var isSynchronized: Bool
        /// The most that it may be off, in microseconds, by the kernel's estimate.
        var errorMaxMicroseconds: Int64
    }

    /// Asks the operating system.
    static func read() -> HostFacts {
        var facts = HostFacts()
        var limit = rlimit()
        #if canImport(Darwin)
        let isKnown = getrlimit(RLIMIT_NOFILE, &limit) == 0
        #else
        let isKnown = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        #endif
        if isKnown {
            facts.openFilesSoft = Int64(clamping: limit.rlim_cur)
            facts.openFilesHard = Int64(clamping: limit.rlim_max)
        }
        facts.memoryTotal = KernelFile.text("/proc/meminfo").flatMap(Self.memoryTotal)
        facts.memoryLimit = ControlGroup(read: KernelFile.text).memoryBytes.map { Int64($0) }
        facts.clock = Self.clockState()
        facts.mounts = KernelFile.text("/proc/self/mounts") ?? ""
        return facts
    }

    // MARK: What the files say

    /// `MemTotal` of `/proc/meminfo`, in bytes.
    static func memoryTotal(_ text: String) -> Int64? {
        for line in text.split(separator: "\n") where line.hasPrefix("MemTotal:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int64($0) }.map { $0 &* 1024 }
        }
        return nil
    }

    /// The type of the file system that holds an absolute path, by the lines of `/proc/self/mounts`.
    static func fileSystemType(of path: String, mounts: String) -> String? {
        var best: (length: Int, type: String)?
        for line in mounts.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count >= 3 else { continue }
            let point = Self.unescaped(parts[1])
            let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
            // Of two at the same place the later one lies on top.
            if isAbove, point.count >= best?.length ?? 0 { best = (point.count, String(parts[2])) }
        }
        return best?.type
    }

    /// `\040` is a space in the names of mount points.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(3), as: UTF8.self)
            if byte == UInt8(ascii: "\\"), digits.utf8.count == 3, let escaped = UInt8(digits, radix: 8) {
                bytes.append(escaped)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: The operating system

    private static func clockState() -> ClockState? {
        #if os(Linux) && (arch(x86_64) || arch(arm64))
        return withUnsafeTemporaryAllocation(byteCount: TimexLayout.byteCount, alignment: 8) { bytes in
            // All zero: nothing is to be set.
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            guard let start = bytes.baseAddress, adjtimex(start) >= 0 else { return nil }
            let status = bytes.load(fromByteOffset: TimexLayout.status, as: Int32.self)
            return ClockState(
                isSynchronized: status & TimexLayout.unsynchronized == 0,
                errorMaxMicroseconds: bytes.load(fromByteOffset: TimexLayout.errorMax, as: Int64.self))
        }
        #else
        return nil
        #endif
    }
}

#if os(Linux) && (arch(x86_64) || arch(arm64))
/// Where things lie in `struct timex` (linux/timex.h) on 64-bit systems.
private enum TimexLayout {
    /// It has 208; a little more does no harm.
    static let byteCount = 256
    static let errorMax = 24
    static let status = 40
    /// STA_UNSYNC.
    static let unsynchronized: Int32 = 0x40
}

/// Of the C library; Swift's view of its headers leaves it out.
@_silgen_name("adjtimex")
private func adjtimex(_ state: UnsafeMutableRawPointer) -> Int32
#endif
