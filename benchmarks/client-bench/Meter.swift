// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Wall and CPU time of this process from a moment on, and its memory.
struct Meter {
    private let wall = Self.now
    private let cpu = Self.cpu

    /// Prints what `rdkafka` prints, without the end of the line.
    func report(records: Int, bytes: Int, more: String = "") {
        let wall = Double(Self.now - self.wall) / 1e9
        print(
            "records=\(records) bytes=\(bytes) wall_s=\(wall) cpu_s=\(Self.cpu - self.cpu)"
                + " peak_mib=\(Self.status("VmHWM:")) anonymous_mib=\(Self.status("RssAnon:"))\(more)"
        )
    }

    /// Nanoseconds of the monotonic clock.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static var usage: rusage {
        var usage = rusage()
        #if canImport(Glibc)
        // glibc has an enumeration for it, and a function that takes a number.
        getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
        #else
        getrusage(RUSAGE_SELF, &usage)
        #endif
        return usage
    }

    private static var cpu: Double {
        let usage = Self.usage
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    /// A size from /proc/self/status, in MiB; 0 where there is none. Not `ru_maxrss`, which begins with what the process
    /// had that made this one.
    private static func status(_ name: String) -> Double {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var bytes = [CChar](repeating: 0, count: 256)
        while fgets(&bytes, Int32(bytes.count), file) != nil {
            let line = bytes.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
            guard line.hasPrefix(name) else { continue }
            let digits = line.filter(\.isNumber)
            return (Double(digits) ?? 0) / 1024
        }
        return 0
    }
}
